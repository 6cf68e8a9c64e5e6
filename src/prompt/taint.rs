//! The places of a template that can show text from outside.
//!
//! They are found in the syntax tree, before anything is rendered, and on the safe side: an expression that names such
//! a text shows it, whatever filters, operators and calls do to it, and so does every name to which such an expression
//! is assigned anywhere. Conditions do not count: they choose between texts of the template.

use std::collections::HashSet;
use std::ops::Range;

use minijinja::machinery::ast::{Call, Expr, Macro, Stmt};
use minijinja::machinery::{Span, parse};

use crate::order::sorted;
use crate::prompt::syntax::{argument, bodies, bytes, call_parts, config, expressions, parts};

/// The filter that puts its value into a fence.
pub const FILTER: &str = "untrusted";
/// The function that ends a template without a prompt. Its reason goes where no fence is.
pub const SKIP: &str = "skip";
/// The name of the pull request in templates. Outsiders can write all its texts.
pub const PULL_REQUEST: &str = "pull_request";
/// The name of the `github` context in templates.
const GITHUB: &str = "github";

/// A template in which every place that can show text from outside has the filter [`FILTER`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// The template.
    pub source: String,
    /// Those places in the original template, in their order.
    pub places: Vec<Range<usize>>,
    /// Places in the original template where no such text may be, and why.
    pub refused: Vec<(Range<usize>, &'static str)>,
    /// What was inserted: where in the original template, and how many bytes.
    inserted: Vec<(usize, usize)>,
}

impl Guarded {
    /// The place in the original template of what is at `at` in the guarded one.
    pub fn origin(&self, at: usize) -> usize {
        let mut shift = 0;
        for (place, long) in &self.inserted {
            if place + shift >= at {
                break;
            }
            shift += long.min(&(at - place - shift));
        }
        at - shift
    }
}

/// Guards a template. `is_trusted` decides of a path below `github`, such as `event`, `action`, whether no outsider can
/// write its value. A template with a syntax error is returned as it is; rendering it reports the error.
pub fn guard(name: &str, source: &str, is_trusted: fn(&[&str]) -> bool) -> Guarded {
    let nothing = || Guarded { source: String::new(), places: Vec::new(), refused: Vec::new(), inserted: Vec::new() };
    let Ok(tree) = parse(source, name, config()) else {
        return Guarded { source: source.to_owned(), ..nothing() };
    };
    let root = std::slice::from_ref(&tree);
    let mut taint = Taint { is_trusted, tainted: HashSet::new(), assigned: HashSet::new(), is_called_with: false };
    // Text can reach a name further up, by a loop or a macro. Each round adds a name or is the last.
    loop {
        let before = taint.extent();
        taint.follow(root);
        if taint.extent() == before {
            break;
        }
    }
    let places = sorted(taint.places(root, source), &|a, b| a.range.start.cmp(&b.range.start));
    let mut guarded = Guarded { refused: taint.refused(root), ..nothing() };
    let mut copied = 0;
    for Place { range, before, after } in places {
        for (at, text) in [(range.start, before), (range.end, after)] {
            guarded.source += source.get(copied..at).unwrap_or_default();
            guarded.source += &text;
            guarded.inserted.push((at, text.len()));
            copied = at;
        }
        guarded.places.push(range);
    }
    guarded.source += source.get(copied..).unwrap_or_default();
    guarded
}

/// A place to be guarded, with what is inserted before and after it.
struct Place {
    range: Range<usize>,
    before: String,
    after: String,
}

/// What is known of a template's names. Scopes do not count: a name that holds text from outside anywhere is taken to
/// hold it everywhere.
struct Taint<'a> {
    is_trusted: fn(&[&str]) -> bool,
    /// Names that can hold such text.
    tainted: HashSet<&'a str>,
    /// Names that the template itself gives a value to.
    assigned: HashSet<&'a str>,
    /// Whether anything is called with such text. Every macro may be, then.
    is_called_with: bool,
}

impl<'a> Taint<'a> {
    fn extent(&self) -> (usize, usize, bool) {
        (self.tainted.len(), self.assigned.len(), self.is_called_with)
    }

    /// Follows such text through each statement once. Nested statements wait on a list and not on the stack, which a
    /// template could exhaust.
    fn follow(&mut self, statements: &[Stmt<'a>]) {
        let mut left = statements.iter().collect::<Vec<_>>();
        while let Some(statement) = left.pop() {
            match statement {
                Stmt::EmitExpr(it) => self.call(&[&it.expr]),
                Stmt::Do(it) => self.call_itself(&it.call),
                Stmt::Set(it) => {
                    self.call(&[&it.expr]);
                    self.assign(&it.target, self.names(vec![&it.expr]));
                }
                Stmt::SetBlock(it) => {
                    self.call(&it.filter.iter().collect::<Vec<_>>());
                    self.assign(&it.target, self.names(it.filter.iter().collect()) || self.shows(&it.body));
                }
                Stmt::WithBlock(it) => {
                    for (target, expr) in &it.assignments {
                        self.call(&[expr]);
                        self.assign(target, self.names(vec![expr]));
                    }
                }
                Stmt::ForLoop(it) => {
                    self.call(&[&it.iter]);
                    self.call(&it.filter_expr.iter().collect::<Vec<_>>());
                    // A recursive loop is called with its items.
                    let is_tainted = self.names(vec![&it.iter]) || it.recursive && self.is_called_with;
                    self.assign(&it.target, is_tainted);
                    if is_tainted {
                        // It knows the items before and after.
                        self.tainted.insert("loop");
                    }
                }
                Stmt::IfCond(it) => self.call(&[&it.expr]),
                Stmt::FilterBlock(it) => self.call(&[&it.filter]),
                Stmt::AutoEscape(it) => self.call(&[&it.enabled]),
                Stmt::Block(it) => {
                    if self.shows(&it.body) {
                        // `self.title()` shows the block `title` once more.
                        self.tainted.insert("self");
                    }
                }
                Stmt::Macro(it) => self.declare(it),
                Stmt::CallBlock(it) => {
                    self.call_itself(&it.call);
                    self.declare(&it.macro_decl);
                }
                // There is nothing to import; what it would be is unknown.
                Stmt::Import(it) => self.assign(&it.name, true),
                Stmt::FromImport(it) => {
                    for (name, alias) in &it.names {
                        self.assign(alias.as_ref().unwrap_or(name), true);
                    }
                }
                Stmt::Template(_) | Stmt::EmitRaw(_) | Stmt::Extends(_) | Stmt::Include(_) => {}
            }
            left.extend(bodies(statement));
        }
    }

    fn declare(&mut self, declared: &Macro<'a>) {
        self.assigned.insert(declared.name);
        if self.shows(&declared.body) {
            self.tainted.insert(declared.name);
        }
        self.call(&declared.defaults.iter().collect::<Vec<_>>());
        let is_tainted = self.is_called_with || self.names(declared.defaults.iter().collect());
        for argument in &declared.args {
            self.assign(argument, is_tainted);
        }
    }

    fn assign(&mut self, target: &Expr<'a>, is_tainted: bool) {
        let mut left = vec![target];
        while let Some(target) = left.pop() {
            match target {
                Expr::Var(name) => {
                    self.assigned.insert(name.id);
                    if is_tainted {
                        self.tainted.insert(name.id);
                    }
                }
                // Any name can refer to the same namespace, so all that hold one are tainted.
                Expr::GetAttr(attribute) if is_tainted => {
                    self.tainted.insert("namespace");
                    left.push(&attribute.expr);
                }
                Expr::List(list) => left.extend(&list.items),
                Expr::Tuple(tuple) => left.extend(&tuple.items),
                _ => {}
            }
        }
    }

    /// Notes whether anything is called with such text in these expressions.
    fn call(&mut self, expressions: &[&Expr<'a>]) {
        let mut left = expressions.to_vec();
        while let Some(expression) = left.pop() {
            if let Expr::Call(call) = expression {
                self.is_called_with |= self.names(call.args.iter().map(argument).collect());
            }
            left.extend(parts(expression));
        }
    }

    /// The same for a call that is a statement.
    fn call_itself(&mut self, call: &Call<'a>) {
        self.is_called_with |= self.names(call.args.iter().map(argument).collect());
        self.call(&call_parts(call));
    }

    /// Whether one of these expressions names such text.
    fn names(&self, expressions: Vec<&Expr<'a>>) -> bool {
        let mut left = expressions;
        while let Some(expression) = left.pop() {
            match expression {
                Expr::Filter(filter) if filter.name == FILTER => return true,
                Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => {
                    // The path from the name at the beginning, as far as it is written down.
                    let mut path = Vec::new();
                    let mut at = expression;
                    loop {
                        match at {
                            Expr::GetAttr(it) => {
                                path.push(Some(it.name));
                                at = &it.expr;
                            }
                            Expr::GetItem(it) => {
                                path.push(match &it.subscript_expr {
                                    Expr::Const(key) => key.value.as_str(),
                                    _ => None,
                                });
                                left.push(&it.subscript_expr);
                                at = &it.expr;
                            }
                            Expr::Var(name) => {
                                if name.id == PULL_REQUEST || self.tainted.contains(name.id) {
                                    return true;
                                }
                                let path = path.iter().rev().copied().map_while(|part| part).collect::<Vec<_>>();
                                let is_ours = name.id == GITHUB && !self.assigned.contains(GITHUB);
                                if name.id == GITHUB && !(is_ours && (self.is_trusted)(&path)) {
                                    return true;
                                }
                                break;
                            }
                            other => {
                                left.push(other);
                                break;
                            }
                        }
                    }
                }
                other => left.extend(parts(other)),
            }
        }
        false
    }

    /// The places where such a text is the reason of `skip`, or a format, which could name other values and ask for any
    /// width.
    fn refused(&self, statements: &[Stmt<'a>]) -> Vec<(Range<usize>, &'static str)> {
        const FORMAT: &str = "a text that an outsider can write cannot be a format; write `'%s' | format(…)` around it";
        const REASON: &str = "the reason of `skip` cannot have text that an outsider can write; use words of your own";
        let is_skip = |call: &Call<'a>| {
            matches!(&call.expr, Expr::Var(name) if name.id == SKIP)
                && self.names(call.args.iter().map(argument).collect())
        };
        let mut places = Vec::new();
        let mut left = statements.iter().collect::<Vec<_>>();
        while let Some(statement) = left.pop() {
            // The filter of a block has the block's text as its format.
            let body = match statement {
                Stmt::FilterBlock(it) => Some(&it.body),
                Stmt::SetBlock(it) => Some(&it.body),
                _ => None,
            };
            let shows = body.is_some_and(|body| self.shows(body));
            if let Stmt::Do(it) = statement
                && is_skip(&it.call)
            {
                places.push((bytes(it.span()), REASON));
            }
            let mut inner = expressions(statement);
            while let Some(expression) = inner.pop() {
                if let Expr::Filter(filter) = expression {
                    let names_format =
                        |it: &Expr<'a>| matches!(it, Expr::Const(it) if it.value.as_str() == Some("format"));
                    let is_format = filter.name == "format"
                        || filter.name == "map" && filter.args.iter().map(argument).any(names_format);
                    let of_text = match &filter.expr {
                        Some(expr) => self.names(vec![expr]),
                        None => shows,
                    };
                    if is_format && of_text {
                        places.push((bytes(filter.span()), FORMAT));
                    }
                }
                if let Expr::Call(call) = expression
                    && is_skip(call)
                {
                    places.push((bytes(call.span()), REASON));
                }
                inner.extend(parts(expression));
            }
            left.extend(bodies(statement));
        }
        places
    }

    /// Whether these statements show such text, or would if they were not caught.
    fn shows(&self, statements: &[Stmt<'a>]) -> bool {
        let mut left = statements.iter().collect::<Vec<_>>();
        while let Some(statement) = left.pop() {
            if self.shows_itself(statement) {
                return true;
            }
            if !matches!(statement, Stmt::SetBlock(_) | Stmt::Macro(_)) {
                left.extend(bodies(statement));
            }
        }
        false
    }

    /// Whether a statement shows such text by an expression of its own.
    fn shows_itself(&self, statement: &Stmt<'a>) -> bool {
        match statement {
            Stmt::EmitExpr(it) => self.names(vec![&it.expr]),
            Stmt::FilterBlock(it) => self.names(vec![&it.filter]),
            Stmt::CallBlock(it) => self.names(call_parts(&it.call)),
            _ => false,
        }
    }

    /// The places that show such text; of nested ones the outermost.
    fn places(&self, statements: &[Stmt<'a>], source: &str) -> Vec<Place> {
        let mut places = Vec::new();
        let mut left = statements.iter().collect::<Vec<_>>();
        while let Some(statement) = left.pop() {
            match statement {
                Stmt::EmitExpr(it) if self.shows_itself(statement) => places.push(expression(it.span(), source)),
                // What these two show is caught, changed and shown as a whole.
                Stmt::FilterBlock(it) if self.shows(std::slice::from_ref(statement)) => {
                    places.push(block(it.span(), source));
                }
                Stmt::CallBlock(it) if self.shows(std::slice::from_ref(statement)) => {
                    places.push(block(it.macro_decl.span(), source));
                }
                Stmt::FilterBlock(_) | Stmt::CallBlock(_) | Stmt::SetBlock(_) | Stmt::Macro(_) => {}
                _ => left.extend(bodies(statement)),
            }
        }
        places
    }
}

/// The place of an expression that is shown: between the braces.
fn expression(span: Span, source: &str) -> Place {
    let Range { start, end } = bytes(span);
    let etags = source.get(start + 2..).is_some_and(|rest| rest.starts_with(['-', '+']));
    let start = start + if etags { 3 } else { 2 };
    Place { range: start..end, before: "(".to_owned(), after: format!(")|{FILTER}") }
}

/// The place of a block, from its first brace to its last. Its marks for spaces move to what is put around it.
fn block(span: Span, source: &str) -> Place {
    let Range { start, end } = bytes(span);
    let start = source.get(..start).and_then(|before| before.rfind("{%")).unwrap_or_default();
    let end = source.get(end..).and_then(|after| after.find("%}")).map_or(source.len(), |at| end + at + 2);
    let mark = |text: Option<&str>| match text {
        Some(mark @ ("-" | "+")) => mark.to_owned(),
        _ => String::new(),
    };
    let (first, last) = (mark(source.get(start + 2..start + 3)), mark(source.get(end - 3..end - 2)));
    Place {
        range: start..end,
        before: format!("{{%{first} filter {FILTER} %}}"),
        after: format!("{{% endfilter {last}%}}"),
    }
}

#[cfg(test)]
mod tests;
