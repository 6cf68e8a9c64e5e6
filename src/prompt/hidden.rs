//! Markup that GitHub does not show. A person who reads an issue does not see it, and an agent would.

use std::collections::HashSet;

/// What hides text, with its end: comments, processing instructions, character data and declarations,
/// <https://spec.commonmark.org/0.31.2/#html-blocks>.
const HIDDEN: [(&str, &str); 4] = [("<!--", "-->"), ("<?", "?>"), ("<![CDATA[", "]]>"), ("<!", ">")];
/// The longest label of a link, <https://spec.commonmark.org/0.31.2/#link-label>.
const MAX_LABEL: usize = 999;

/// A text without what GitHub does not show: HTML comments, our own marker among them, and their kin, definitions of
/// links, and footnotes that nothing refers to. Where the text is not exactly what GitHub shows, because characters were
/// taken out of it, its lines can be others: then nothing counts as a block of code or as a reference.
pub(super) fn without_hidden(text: &str, is_exact: bool) -> String {
    without_definitions(&without_comments(text, is_exact), is_exact)
}

/// Whether Markdown takes a line for blank; other white space than this does not count.
fn is_blank(line: &str) -> bool {
    line.trim_matches([' ', '\t', '\n']).is_empty()
}

/// The kind of [`HIDDEN`] that begins a text.
fn opening(text: &str) -> Option<usize> {
    HIDDEN.iter().position(|(open, _)| match text.strip_prefix(open) {
        // A declaration begins with a letter.
        Some(rest) if *open == "<!" => rest.starts_with(|c: char| c.is_ascii_alphabetic()),
        rest => rest.is_some(),
    })
}

fn without_comments(text: &str, is_exact: bool) -> String {
    let mut seen = String::with_capacity(text.len());
    let mut rest = text;
    let mut may_close = [true; HIDDEN.len()];
    // Whether the line so far has only what may come before a block: indentation, the marks of quotes and of lists.
    let mut is_block = true;
    let mut code = CodeBlock::default();
    while let Some(at) = rest.find('<') {
        let (before, after) = rest.split_at(at);
        seen += before;
        let (is_new, line) = before.rsplit_once('\n').map_or((is_block, before), |(_, line)| (true, line));
        is_block = is_new && !line.contains(|c: char| c.is_alphabetic() || matches!(c, '<' | '`'));
        let Some(kind) = opening(after) else {
            seen.push('<');
            is_block = false;
            rest = &after[1..];
            continue;
        };
        let (open, close) = HIDDEN[kind];
        let inner = &after[open.len()..];
        let end = match inner {
            // These two are whole comments, and what follows is seen.
            _ if kind == 0 && inner.starts_with('>') => Some(1),
            _ if kind == 0 && inner.starts_with("->") => Some(2),
            // In a block of HTML a comment ends at `--!>` as well.
            _ if may_close[kind] && kind == 0 => inner
                .match_indices('>')
                .map(|(at, _)| at)
                .find(|at| inner[..*at].ends_with("--") || inner[..*at].ends_with("--!"))
                .map(|at| at + 1),
            _ if may_close[kind] => inner.find(close).map(|at| at + close.len()),
            _ => None,
        };
        may_close[kind] &= end.is_some();
        rest = match end {
            Some(end) => &inner[end..],
            // A block that is not closed continues to the end. In a block of code it is seen: PHP leaves its end out.
            None if is_block && !(open == "<?" && is_exact && code.is_open(&seen)) => "",
            None => {
                seen += open;
                is_block = false;
                inner
            }
        };
    }
    seen += rest;
    // What is seen must not begin anything, nor what comes together from before a comment and after it.
    let mut safe = String::with_capacity(seen.len());
    let mut rest = seen.as_str();
    while let Some(at) = rest.find('<') {
        let (before, after) = rest.split_at(at);
        safe += before;
        let length = opening(after).map_or(1, |kind| if HIDDEN[kind].0 == "<?" { 1 } else { 2 });
        safe += &after[..length];
        if opening(after).is_some() {
            safe.push(' ');
        }
        rest = &after[length..];
    }
    safe + rest
}

/// Whether a text ends in a block of code between fences, which GitHub shows as it is. Only a fence at the beginning
/// of a line counts, and none after an HTML tag: it could be in a list, or in HTML, and end earlier there.
#[derive(Default)]
struct CodeBlock {
    scanned: usize,
    fence: Option<(char, usize)>,
    is_html: bool,
}

impl CodeBlock {
    fn is_open(&mut self, text: &str) -> bool {
        while let Some((line, _)) = text.get(self.scanned..).and_then(|rest| rest.split_once('\n')) {
            self.scanned += line.len() + 1;
            self.read(line);
        }
        self.fence.is_some() && !self.is_html
    }

    fn read(&mut self, line: &str) {
        let mark = line.chars().next().filter(|c| matches!(c, '`' | '~')).unwrap_or(' ');
        let length = line.chars().take_while(|c| *c == mark).count();
        let rest = line.trim_start_matches(mark);
        self.fence = match self.fence {
            None if mark != ' ' && length >= 3 && !rest.contains('`') => Some((mark, length)),
            Some((open, least)) if mark == open && length >= least && rest.trim().is_empty() => None,
            fence => fence,
        };
        let is_tag = |(at, _): (usize, &str)| line[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
        self.is_html |= self.fence.is_none() && line.match_indices('<').any(is_tag);
    }
}

/// A text without definitions of links, such as `[//]: # (hidden)`, and without footnotes that nothing refers to,
/// <https://spec.commonmark.org/0.31.2/#link-reference-definitions>.
fn without_definitions(text: &str, is_exact: bool) -> String {
    let mut notes = if is_exact { references(text) } else { HashSet::new() };
    let mut seen = String::with_capacity(text.len());
    let mut code = CodeBlock::default();
    let mut titles = Titles::default();
    let mut at = 0;
    while at < text.len() {
        let line = text[at..].split_inclusive('\n').next().unwrap_or_default();
        let block = line.trim_start_matches(|c: char| c.is_ascii_digit() || " \t>-*+.)".contains(c));
        let start = at + line.len() - block.len();
        let end = match block.starts_with('[') && !(is_exact && code.is_open(&seen)) {
            true => definition(text, start, &mut notes, &mut titles),
            false => None,
        };
        match end {
            // The marks of quotes and lists stay, so that nothing moves into another block.
            Some(end) => {
                seen += text[at..start].trim_end();
                at = end;
            }
            None => {
                seen += line;
                at += line.len();
            }
        }
    }
    seen
}

/// What is known of where titles of links end, so that no text is searched twice.
#[derive(Default)]
struct Titles {
    /// Up to where no mark ends a title, for each of the marks.
    unclosed: [usize; 3],
    /// Where the paragraph ends.
    paragraph_end: usize,
}

/// The labels of footnotes that a text refers to for certain, in lower case. What looks like a reference is none in
/// code, HTML, a formula, a link, an address, a table or another footnote, so after anything that may begin one of
/// these it does not count.
fn references(text: &str) -> HashSet<String> {
    let mut labels = HashSet::new();
    let mut is_plain = true;
    let mut was_blank = true;
    for line in text.lines() {
        let is_tag =
            |(at, _): (usize, &str)| line[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c));
        if line.contains("```") || line.contains("~~~") || line.match_indices('<').any(is_tag) {
            // It may continue over blank lines.
            break;
        }
        if was_blank {
            is_plain = !line.starts_with([' ', '\t']);
        }
        was_blank = is_blank(line);
        let mut rest = line;
        let is_sign = |rest: &str| SIGNS.iter().any(|sign| rest.starts_with(sign));
        while is_plain && let Some((at, _)) = rest.char_indices().find(|(at, _)| is_sign(&rest[*at..])) {
            match label(&rest[at..]).filter(|_| !rest[..at].ends_with('!')) {
                Some(label) => {
                    labels.insert(label.to_ascii_lowercase());
                    rest = &rest[at + label.len() + 3..];
                }
                None => is_plain = false,
            }
        }
    }
    labels
}

/// What may begin a text in which a reference to a footnote is none.
const SIGNS: [&str; 11] = ["`", "\\", "$", "|", "[", "]", "//", "www.", "@", "\t", "    "];

/// The label of a reference to a footnote with which a text begins.
fn label(text: &str) -> Option<&str> {
    let (label, rest) = text.strip_prefix("[^")?.split_once(']')?;
    let is_word = !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    (is_word && !rest.starts_with(['(', '[', ':'])).then_some(label)
}

/// Where a definition ends that begins at `start`, before the end of its line.
fn definition(text: &str, start: usize, notes: &mut HashSet<String>, titles: &mut Titles) -> Option<usize> {
    let inner = &text[start + 1..];
    let close = inner.char_indices().take(MAX_LABEL + 1).scan(false, |escaped, (at, c)| {
        let was = std::mem::replace(escaped, c == '\\' && !*escaped);
        Some((at, c, was))
    });
    let close = close.into_iter().find(|(_, c, escaped)| matches!(c, '[' | ']') && !escaped)?.0;
    let (label, rest) = inner.split_at(close);
    let rest = rest.strip_prefix("]:")?;
    if is_blank(label) || label.contains("\n\n") {
        return None;
    }
    let after = text.len() - rest.len();
    if let Some(note) = label.strip_prefix('^') {
        // Of several with one label GitHub shows the first, and it knows more letters to be the same.
        let is_seen = notes.remove(&note.to_ascii_lowercase());
        if !note.is_ascii() {
            notes.clear();
        }
        return (!is_seen).then(|| end_of_note(text, after));
    }
    let blank = |at: usize| at + text[at..].len() - text[at..].trim_start_matches([' ', '\t']).len();
    let end_of_line = |at: usize| text[at..].find('\n').map_or(text.len(), |found| at + found);
    // The address can be on the next line, and so can the title.
    let mut at = blank(after);
    if end_of_line(at) == at {
        at = blank((at + 1).min(text.len()));
    }
    let address = match text[at..].strip_prefix('<') {
        Some(rest) => rest.find(['>', '\n']).filter(|end| rest[*end..].starts_with('>'))? + 2,
        None => text[at..].find([' ', '\t', '\n']).unwrap_or(text.len() - at),
    };
    if address == 0 {
        return None;
    }
    at += address;
    let bare = (blank(at) == end_of_line(at)).then(|| end_of_line(at));
    let mut title = blank(at);
    if bare.is_some() {
        title = blank((title + 1).min(text.len()));
    } else if title == at {
        return None;
    }
    let marks = [('"', '"'), ('\'', '\''), ('(', ')')];
    let Some(kind) = marks.iter().position(|(open, _)| text[title..].starts_with(*open)) else { return bare };
    let start = title + 1;
    if start > titles.paragraph_end {
        titles.paragraph_end = text[start..].find("\n\n").map_or(text.len(), |at| start + at);
    }
    if start <= titles.unclosed[kind] {
        return bare;
    }
    match text[start..titles.paragraph_end].find(marks[kind].1) {
        Some(found) => {
            let end = start + found + 1;
            if blank(end) == end_of_line(end) { Some(end_of_line(end)) } else { bare }
        }
        None => {
            titles.unclosed[kind] = titles.paragraph_end;
            bare
        }
    }
}

/// Where the text of a footnote ends: at a blank line that no indented line follows.
fn end_of_note(text: &str, start: usize) -> usize {
    let mut end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let mut was_blank = false;
    while let Some(line) = text.get(end + 1..).filter(|rest| !rest.is_empty()) {
        let line = line.split('\n').next().unwrap_or_default();
        let is_indented = line.starts_with([' ', '\t']);
        if was_blank && !is_indented && !is_blank(line) {
            break;
        }
        was_blank = is_blank(line);
        end += 1 + line.len();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_markup_is_taken_out() {
        for (text, seen) in [
            ("a<!-- hidden --!>b", "ab"),
            ("a<!-- hidden --!> b -->c", "a b -->c"),
            ("a <?x?> b <!X y> c <![CDATA[z]]> d", "a  b  c  d"),
            ("a <!DOCTYPE html> b", "a  b"),
            ("<? hidden\nto the end", ""),
            ("> <!X hidden\nto the end", "> "),
            ("<![CDATA[ hidden", ""),
            ("a <? b", "a < ? b"),
            ("a <!x b", "a <! x b"),
            ("1 < 2 <b>bold</b> a<!b", "1 < 2 <b>bold</b> a<! b"),
            // What its removal would make.
            ("<<?x?>? hidden ?>", "< ? hidden ?>"),
            ("<<!X>!X hidden>", "<! X hidden>"),
            ("[//]: # (hidden)\nseen", "\nseen"),
            ("[//]: # \"hidden\nmore\"\nseen", "\nseen"),
            ("[hidden words]: http://x\n\"hidden\"", ""),
            ("[hidden words]:\n  <http://x y>\n  (hidden)\nseen", "\nseen"),
            ("> - [a]: b 'hidden'", "> -"),
            ("[ERROR]: it failed here", "[ERROR]: it failed here"),
            ("see [a](b) and [c]: d", "see [a](b) and [c]: d"),
            ("[x] done: yes", "[x] done: yes"),
            ("a[^1]\n\n[^1]: seen", "a[^1]\n\n[^1]: seen"),
            ("a[^1] and b[^x-2].\n\n[^1]: seen\n[^X-2]: seen", "a[^1] and b[^x-2].\n\n[^1]: seen\n[^X-2]: seen"),
            ("a[^1]\n\n[^1]: seen\n\n[^1]: hidden", "a[^1]\n\n[^1]: seen\n\n"),
            ("a[^s]\n\n[^\u{17f}]: seen on GitHub\n\n[^s]: hidden", "a[^s]\n\n\n"),
            ("`[^1]`\n\n[^1]: hidden", "`[^1]`\n\n"),
            ("\\[^1]\n\n[^1]: hidden", "\\[^1]\n\n"),
            ("    [^1]\n\n[^1]: hidden", "    [^1]\n\n"),
            ("-     [^1]\n\n[^1]: hidden", "-     [^1]\n\n"),
            ("```\n\n[^1]\n```\n\n[^1]: hidden", "```\n\n[^1]\n```\n\n"),
            ("<a title='[^1]'>b</a>\n\n[^1]: hidden", "<a title='[^1]'>b</a>\n\n"),
            ("<pre>\n\n[^1]</pre>\n\n[^1]: hidden", "<pre>\n\n[^1]</pre>\n\n"),
            ("[a](b '[^1]')\n\n[^1]: hidden", "[a](b '[^1]')\n\n"),
            ("![^1]\n\n[^2](x)\n\n[^1]: hidden\n\n[^2]: hidden", "![^1]\n\n[^2](x)\n\n\n"),
            ("http://x/[^1]\n\n[^1]: hidden", "http://x/[^1]\n\n"),
            ("$a\n[^1]$\n\n[^1]: hidden", "$a\n[^1]$\n\n"),
            ("a\n\n[^1]: hidden\n[^1]\n\n  [^1]", "a\n\n"),
            ("`\n\u{a0}\n[^1]`\n\n[^1]: hidden", "`\n\u{a0}\n[^1]`\n\n"),
            ("[^1]: hidden\n\u{a0}\nhidden\n\nseen", "\nseen"),
            ("[\u{a0}]: hidden", ""),
            ("a|b\n-|-\n1|2|[^1]\n\n[^1]: hidden", "a|b\n-|-\n1|2|[^1]\n\n"),
            ("a\n\n[^1]: hidden\nmore\n\n    and more\n\nseen", "a\n\n\nseen"),
            ("```\n[a]: b\n```\n[a]: b", "```\n[a]: b\n```\n"),
            ("```php\n<?php\necho 1;\n```\nseen", "```php\n< ?php\necho 1;\n```\nseen"),
            ("<div>\n```\n<?php hidden\n```\n", "<div>\n```\n"),
            ("- ```\n<?php hidden", "- ```\n"),
        ] {
            assert_eq!(without_hidden(text, true), seen, "{text:?}");
        }
    }

    #[test]
    fn no_text_takes_long() {
        for text in [
            "<?".repeat(500_000),
            "<!-- --!>".repeat(100_000),
            "a<!x".repeat(250_000),
            "<![CDATA[".repeat(100_000),
            "```\n<?".repeat(200_000),
            "[a]: b (\n".repeat(100_000),
            "[a]: b \"c\" d\n".repeat(100_000),
            "[^a]: b\n".repeat(100_000),
            "[^a]".repeat(200_000),
            "[^a] ".repeat(200_000),
            "[^a]\n".repeat(200_000),
            "[".repeat(100_000),
            "[a\n".repeat(100_000),
        ] {
            let started = std::time::Instant::now();
            drop(without_hidden(&text, true));
            assert!(started.elapsed().as_secs() < 10, "{}", &text[..8]);
        }
    }
}
