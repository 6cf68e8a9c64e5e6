//! What a template is made of: its tokens before it is parsed, and its syntax tree.

use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, Call, CallArg, Expr, Stmt};
use minijinja::machinery::{Span, Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// How many operators, brackets, dots and filters may be applied to one another in an expression. Templates have a
/// dozen, and the stack of a rendering has room for as many as this, with up to 16 kilobytes for each.
const MAX_EXPRESSION_DEPTH: usize = 2_000;
/// How many `elif` a template may have; the parser nests each of them in the one before.
const MAX_ELIFS: usize = 500;

/// A mistake that the parser would not survive or not see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxProblem {
    /// Where it is in the template, in bytes.
    pub(super) range: Range<usize>,
    /// What is wrong, and what to do.
    pub(super) reason: String,
}

/// The syntax of prompts: Jinja's, where a line that holds only a tag leaves no empty line behind.
pub(super) fn config() -> SyntaxConfig {
    SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().unwrap_or_default()
}

/// Looks for what would exhaust the parser, and for comments that another language began. Everything else is left to
/// the parser, which names it better.
///
/// # Errors
/// The first such place.
pub(super) fn check(source: &str) -> Result<(), SyntaxProblem> {
    // How much is applied to one another in each of the brackets that are open.
    let mut depths = vec![0];
    let mut depth = 0;
    let mut elifs = 0;
    let mut end = 0;
    let mut is_tag_name = false;
    for token in tokenize(source, false, config()) {
        let Ok((token, span)) = token else { break };
        let range = bytes(span);
        check_comment(source, end..range.start)?;
        end = range.end;
        let step = match &token {
            Token::VariableStart | Token::BlockStart => {
                (depths, depth) = (vec![0], 0);
                0
            }
            Token::Comma => {
                depth -= depths.last_mut().map_or(0, std::mem::take);
                0
            }
            Token::BracketClose | Token::ParenClose | Token::BraceClose => {
                depth -= depths.pop().unwrap_or_default();
                0
            }
            Token::Ident("elif") if is_tag_name => {
                elifs += 1;
                0
            }
            Token::Ident("if" | "else" | "not" | "and" | "or" | "in" | "is") => 1,
            Token::Ident(_) | Token::Str(_) | Token::String(_) | Token::TemplateData(_) => 0,
            Token::Int(_) | Token::Int128(_) | Token::Float(_) => 0,
            _ => 1,
        };
        depth += step;
        if let Some(last) = depths.last_mut() {
            *last += step;
        }
        if matches!(token, Token::BracketOpen | Token::ParenOpen | Token::BraceOpen) {
            depths.push(0);
        }
        is_tag_name = matches!(token, Token::BlockStart);
        if depth > MAX_EXPRESSION_DEPTH {
            let reason = format!(
                "the expression applies more than {MAX_EXPRESSION_DEPTH} operators, filters or brackets to one another; \
                 split it with `{{% set %}}`"
            );
            return Err(SyntaxProblem { range, reason });
        }
        if elifs > MAX_ELIFS {
            let reason =
                format!("the template has more than {MAX_ELIFS} `elif`; look the value up in a mapping instead");
            return Err(SyntaxProblem { range, reason });
        }
    }
    check_comment(source, end..source.len())
}

/// Refuses comments that another language probably began, such as a shell by `${#name}`, TeX by `{#1}` or Svelte by
/// `{#if x}`. Jinja's have a space after `{#`, or a sign that trims, or are ruled off by more of `#`.
fn check_comment(source: &str, gap: Range<usize>) -> Result<(), SyntaxProblem> {
    // Between two tokens there are only spaces and comments.
    let mut at = gap.start;
    while let Some(begin) = source.get(at..gap.end).and_then(|text| text.find("{#")).map(|found| at + found) {
        let inner = source.get(begin + 2..).unwrap_or_default();
        let is_foreign = source.get(..begin).is_some_and(|before| before.ends_with('$'))
            || !inner.starts_with(|c: char| c.is_whitespace() || matches!(c, '-' | '+' | '#'));
        if is_foreign {
            let reason = format!(
                "`{{#` begins a comment of the template, which drops text; for a comment write a space after it, and \
                 {RAW_REMEDY}"
            );
            return Err(SyntaxProblem { range: begin..begin + 2, reason });
        }
        at = inner.find("#}").map_or(gap.end, |end| begin + 2 + end + 2);
    }
    Ok(())
}

/// What to do about braces that are not meant for the template.
pub(super) const RAW_REMEDY: &str =
    "to keep braces of another language as they are, put the text between `{% raw %}` and `{% endraw %}`";

/// Whether a template has an expression of Actions, `${{ … }}`, outside of `{% raw %}`.
pub fn has_actions_expression(source: &str) -> bool {
    tokenize(source, false, config()).map_while(Result::ok).any(|(token, span)| {
        matches!(token, Token::VariableStart)
            && source.get(..bytes(span).start).is_some_and(|before| before.ends_with('$'))
    })
}

/// A multiplication of constants whose result is larger than `max` bytes. The compiler calculates it before anything
/// can be bounded.
pub(super) fn large_constant(tree: &Stmt<'_>, max: usize) -> Option<SyntaxProblem> {
    let mut all = Vec::new();
    let mut statements = vec![tree];
    while let Some(statement) = statements.pop() {
        let mut left = expressions(statement);
        while let Some(expression) = left.pop() {
            left.extend(parts(expression));
            all.push(expression);
        }
        statements.extend(bodies(statement));
    }
    // What is within an expression comes after it, and is checked first.
    all.into_iter().rev().find_map(|expression| {
        let Expr::BinOp(operation) = expression else { return None };
        if !matches!(operation.op, BinOpKind::Mul) {
            return None;
        }
        let (one, other) = (operation.left.as_const()?, operation.right.as_const()?);
        let is_large = [(&one, &other), (&other, &one)].into_iter().any(|(repeated, times)| {
            let size = repeated.as_str().map(str::len).or_else(|| repeated.len().map(|items| items.saturating_mul(16)));
            let (Some(size), Some(times)) = (size, times.as_usize()) else { return false };
            size.saturating_mul(times) > max
        });
        let reason = format!("the repetition has more than {max} bytes; repeat less");
        is_large.then(|| SyntaxProblem { range: bytes(expression.span()), reason })
    })
}

/// The bytes of a span.
pub(super) fn bytes(span: Span) -> Range<usize> {
    let offset = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    offset(span.start_offset)..offset(span.end_offset)
}

/// The statements in a statement.
pub(super) fn bodies<'t, 'a>(statement: &'t Stmt<'a>) -> impl Iterator<Item = &'t Stmt<'a>> {
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

/// The expressions of a statement itself, without those of the statements in it.
pub(super) fn expressions<'t, 'a>(statement: &'t Stmt<'a>) -> Vec<&'t Expr<'a>> {
    match statement {
        Stmt::EmitExpr(it) => vec![&it.expr],
        Stmt::ForLoop(it) => [Some(&it.iter), it.filter_expr.as_ref()].into_iter().flatten().collect(),
        Stmt::IfCond(it) => vec![&it.expr],
        Stmt::WithBlock(it) => it.assignments.iter().map(|(_, value)| value).collect(),
        Stmt::Set(it) => vec![&it.expr],
        Stmt::SetBlock(it) => it.filter.iter().collect(),
        Stmt::AutoEscape(it) => vec![&it.enabled],
        Stmt::FilterBlock(it) => vec![&it.filter],
        Stmt::Macro(it) => it.defaults.iter().collect(),
        Stmt::CallBlock(it) => it.macro_decl.defaults.iter().chain(call_parts(&it.call)).collect(),
        Stmt::Do(it) => call_parts(&it.call),
        Stmt::Template(_)
        | Stmt::Block(_)
        | Stmt::EmitRaw(_)
        | Stmt::Import(_)
        | Stmt::FromImport(_)
        | Stmt::Extends(_)
        | Stmt::Include(_) => Vec::new(),
    }
}

/// The expressions that an expression is made of.
pub(super) fn parts<'t, 'a>(expression: &'t Expr<'a>) -> Vec<&'t Expr<'a>> {
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
        Expr::Call(it) => call_parts(it),
        Expr::List(it) => it.items.iter().collect(),
        Expr::Tuple(it) => it.items.iter().collect(),
        Expr::Map(it) => it.keys.iter().chain(&it.values).collect(),
    }
}

/// The expressions of a call: what is called, and with what.
pub(super) fn call_parts<'t, 'a>(call: &'t Call<'a>) -> Vec<&'t Expr<'a>> {
    call.args.iter().map(argument).chain([&call.expr]).collect()
}

/// The expression of an argument.
pub(super) fn argument<'t, 'a>(argument: &'t CallArg<'a>) -> &'t Expr<'a> {
    match argument {
        CallArg::Pos(it) | CallArg::Kwarg(_, it) | CallArg::PosSplat(it) | CallArg::KwargSplat(it) => it,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_of_other_languages_are_refused() {
        for (source, at) in [
            ("a ${#files[@]} b #} c", 3),
            ("${#x}", 1),
            ("{{ vars.a }}${#x}", 13),
            ("a\n  ${# x #}", 5),
            ("\\newcommand{#1}{#2} text #}", 11),
            ("awk '{#comment}' x #}", 5),
            ("a{#b} c #}", 1),
            ("{#if x}…#}", 0),
            ("{# a #}{#b #}", 7),
            ("{{ vars.a }}\n {# a #} {#b #}{{ vars.a }}", 22),
            ("{#é", 0),
        ] {
            let problem = check(source).unwrap_err();
            assert!(problem.reason.contains("{% raw %}"), "{source}: {}", problem.reason);
            assert_eq!(problem.range, at..at + 2, "{source}");
        }
        for source in [
            "{# a #}",
            "$ {# a #}",
            "{% raw %}${#x}{% endraw %}",
            "{{ '${#x}' }}",
            "a {# ${# #} b",
            "{#- a -#}{#\ta\n#}{#+ a #}{##}{### a ###}",
            "{{ '{#x' }}{% raw %}{#x{% endraw %}{# {#x #}",
        ] {
            assert_eq!(check(source), Ok(()), "{source}");
        }
    }

    #[test]
    fn deep_expressions_are_refused() {
        for source in [
            format!("{{{{ 1{} }}}}", " + 1".repeat(30_000)),
            format!("{{{{ a{} }}}}", "|a".repeat(30_000)),
            format!("{{{{ a{} }}}}", ".a".repeat(30_000)),
            format!("{{{{ a{} }}}}", "[0]".repeat(30_000)),
            format!("{{{{ {}1 }}}}", "-".repeat(30_000)),
            format!("{{{{ {}1 }}}}", "not ".repeat(30_000)),
            format!("{{% if {}1 %}}{{% endif %}}", "(".repeat(30_000)),
            format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(30_000)),
            format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(8_000)),
        ] {
            assert!(check(&source).is_err(), "{}", &source[..40]);
        }
        let wide = format!("{{{{ [{}] }}}}", "{'a': f(1)}, ".repeat(5_000));
        assert_eq!(check(&wide), Ok(()));
    }

    #[test]
    fn actions_expressions_are_found_outside_of_raw() {
        assert!(has_actions_expression("on ${{ target.name }}"));
        assert!(!has_actions_expression("{% raw %}on ${{ target.name }}{% endraw %} $ {{ x }} {# ${{ #}"));
    }
}
