//! Which places of a template can show text from outside.
//!
//! This is decided over the syntax tree, before anything is rendered, and on the safe side: an expression that names
//! such a text shows it, whatever filters, operators and calls do to it in between, and so does every name that such
//! an expression was ever given to. What a condition asks does not count: it chooses between texts of the template.

use std::collections::HashSet;
use std::ops::Range;

use minijinja::machinery::ast::{Call, CallArg, Expr, Macro, Stmt};
use minijinja::machinery::{Span, parse};
use minijinja::syntax::SyntaxConfig;

/// The filter that puts its value behind a fence.
pub const FILTER: &str = "untrusted";
/// The name under which templates find what GitHub says of the run.
const GITHUB: &str = "github";

/// A template in which every place that can show text from outside has the filter [`FILTER`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// The template.
    pub source: String,
    /// Those places in the template as it was, in its order.
    pub places: Vec<Range<usize>>,
    /// What was put in: where in the template as it was, and how many bytes.
    inserted: Vec<(usize, usize)>,
}

impl Guarded {
    /// Where in the template as it was something stands that is at `at` in the guarded one.
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

/// Guards a template. `is_trusted` says of a path below `github`, such as `event`, `action`, whether no outsider can
/// write what stands there and below. A template with a mistake comes back as it is: rendering it tells the mistake.
pub fn guard(name: &str, source: &str, syntax: SyntaxConfig, is_trusted: fn(&[&str]) -> bool) -> Guarded {
    let Ok(tree) = parse(source, name, syntax) else {
        return Guarded { source: source.to_owned(), places: Vec::new(), inserted: Vec::new() };
    };
    let root = std::slice::from_ref(&tree);
    let mut taint = Taint { is_trusted, tainted: HashSet::new(), assigned: HashSet::new(), is_called_with: false };
    // Text can get to a name that stands further up, by a loop or a macro. Each round adds a name or is the last.
    loop {
        let before = taint.extent();
        taint.follow(root);
        if taint.extent() == before {
            break;
        }
    }
    let mut places = taint.places(root, source);
    places.sort_by_key(|place| place.range.start);
    let mut guarded = Guarded { source: String::new(), places: Vec::new(), inserted: Vec::new() };
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

/// A place that is to be guarded, and what has to stand before and after it.
struct Place {
    range: Range<usize>,
    before: String,
    after: String,
}

/// What is known of a template's names. They are not told apart by where they are valid: one that holds text from
/// outside somewhere is taken to hold it everywhere.
struct Taint<'a> {
    is_trusted: fn(&[&str]) -> bool,
    /// Names that can hold such text.
    tainted: HashSet<&'a str>,
    /// Names that the template itself gives a value to.
    assigned: HashSet<&'a str>,
    /// Whether anything is called with such text, so that every macro may be.
    is_called_with: bool,
}

impl<'a> Taint<'a> {
    fn extent(&self) -> (usize, usize, bool) {
        (self.tainted.len(), self.assigned.len(), self.is_called_with)
    }

    /// Follows such text through each statement once. Whatever is nested waits on a list and not on the stack, which
    /// a template must not be able to exhaust.
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
                // There is nothing to import, and nobody could say what is in it.
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
                // Any name can stand for the same namespace, so all that hold one are tainted.
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

    /// Takes note of whatever is called with such text in these expressions.
    fn call(&mut self, expressions: &[&Expr<'a>]) {
        let mut left = expressions.to_vec();
        while let Some(expression) = left.pop() {
            if let Expr::Call(call) = expression {
                self.is_called_with |= self.names(call.args.iter().map(argument).collect());
            }
            left.extend(parts(expression));
        }
    }

    /// The same for a call that is a statement and no expression.
    fn call_itself(&mut self, call: &Call<'a>) {
        self.is_called_with |= self.names(call.args.iter().map(argument).collect());
        self.call(&parts_of_call(call));
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
                                if self.tainted.contains(name.id) {
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
            Stmt::CallBlock(it) => self.names(parts_of_call(&it.call)),
            _ => false,
        }
    }

    /// The places that show such text, the outermost of those in one another.
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
    let (start, end) = (offset(span.start_offset), offset(span.end_offset));
    let etags = source.get(start + 2..).is_some_and(|rest| rest.starts_with(['-', '+']));
    let start = start + if etags { 3 } else { 2 };
    Place { range: start..end, before: "(".to_owned(), after: format!(")|{FILTER}") }
}

/// The place of a block, from its first brace to its last. Its marks for spaces go to what is put around it.
fn block(span: Span, source: &str) -> Place {
    let (start, end) = (offset(span.start_offset), offset(span.end_offset));
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

fn offset(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// The statements that stand within a statement.
fn bodies<'t, 'a>(statement: &'t Stmt<'a>) -> impl Iterator<Item = &'t Stmt<'a>> {
    let (one, other): (&[Stmt<'a>], &[Stmt<'a>]) = match statement {
        Stmt::Template(it) => (&it.children, &[]),
        Stmt::ForLoop(it) => (&it.body, &it.else_body),
        Stmt::IfCond(it) => (&it.true_body, &it.false_body),
        Stmt::WithBlock(it) => (&it.body, &[]),
        Stmt::SetBlock(it) => (&it.body, &[]),
        Stmt::AutoEscape(it) => (&it.body, &[]),
        Stmt::FilterBlock(it) => (&it.body, &[]),
        Stmt::Block(it) => (&it.body, &[]),
        Stmt::Macro(it) => (&it.body, &[]),
        Stmt::CallBlock(it) => (&it.macro_decl.body, &[]),
        Stmt::EmitExpr(_)
        | Stmt::EmitRaw(_)
        | Stmt::Set(_)
        | Stmt::Import(_)
        | Stmt::FromImport(_)
        | Stmt::Extends(_)
        | Stmt::Include(_)
        | Stmt::Do(_) => (&[], &[]),
    };
    one.iter().chain(other)
}

/// The expressions that an expression is made of.
fn parts<'t, 'a>(expression: &'t Expr<'a>) -> Vec<&'t Expr<'a>> {
    match expression {
        Expr::Var(_) | Expr::Const(_) => Vec::new(),
        Expr::Slice(it) => {
            [Some(&it.expr), it.start.as_ref(), it.stop.as_ref(), it.step.as_ref()].into_iter().flatten().collect()
        }
        Expr::UnaryOp(it) => vec![&it.expr],
        Expr::BinOp(it) => vec![&it.left, &it.right],
        Expr::Compare(it) => it.ops.iter().map(|operand| &operand.expr).chain([&it.expr]).collect(),
        Expr::IfExpr(it) => {
            [Some(&it.test_expr), Some(&it.true_expr), it.false_expr.as_ref()].into_iter().flatten().collect()
        }
        Expr::Filter(it) => it.args.iter().map(argument).chain(&it.expr).collect(),
        Expr::Test(it) => it.args.iter().map(argument).chain([&it.expr]).collect(),
        Expr::GetAttr(it) => vec![&it.expr],
        Expr::GetItem(it) => vec![&it.expr, &it.subscript_expr],
        Expr::Call(it) => parts_of_call(it),
        Expr::List(it) => it.items.iter().collect(),
        Expr::Tuple(it) => it.items.iter().collect(),
        Expr::Map(it) => it.keys.iter().chain(&it.values).collect(),
    }
}

fn parts_of_call<'t, 'a>(call: &'t Call<'a>) -> Vec<&'t Expr<'a>> {
    call.args.iter().map(argument).chain([&call.expr]).collect()
}

fn argument<'t, 'a>(argument: &'t CallArg<'a>) -> &'t Expr<'a> {
    match argument {
        CallArg::Pos(it) | CallArg::Kwarg(_, it) | CallArg::PosSplat(it) | CallArg::KwargSplat(it) => it,
    }
}
