//! Markdown from text that others wrote: it stays text, whatever is in it.

use crate::text::{escaped, harmless, harmless_lines};

/// A link, or the bare text where the address is not safe to link.
pub(crate) fn link(text: &str, address: &str) -> String {
    let fits = address.starts_with("https://") || address.starts_with("http://");
    if fits && !address.contains(|c: char| c.is_whitespace() || "()<>|\"`\\".contains(c)) {
        format!("[{}]({address})", escaped(text))
    } else {
        escaped(text)
    }
}

/// One line of text in which `` `code` `` stays code. A lone backtick is text, and so is everything else.
pub(crate) fn inline(text: &str) -> String {
    let text = harmless(text);
    let mut line = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('`') {
        line.push_str(&escaped(before));
        match after.split_once('`') {
            // In a table a bar ends the cell even inside of code.
            Some((code, after)) if !code.trim().is_empty() => {
                line.push_str(&format!("`{}`", code.replace('|', "\\|")));
                rest = after;
            }
            Some((code, after)) => {
                line.push_str(&format!("\\`{code}\\`"));
                rest = after;
            }
            None => {
                line.push_str("\\`");
                rest = after;
            }
        }
    }
    line + &escaped(rest)
}

/// Text of several lines in a fence that it cannot close.
pub(crate) fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let body = harmless_lines(text).collect::<Vec<_>>().join("\n");
    format!("{fence}text\n{}\n{fence}\n", body.trim_end())
}

/// A section that a reader opens by a click. `body` is Markdown.
pub(crate) fn details(summary: &str, body: &str, open: bool) -> String {
    let open = if open { " open" } else { "" };
    format!("<details{open}><summary>{}</summary>\n\n{}\n\n</details>\n\n", escaped(summary), body.trim_end())
}

/// A table. Columns without any value are left out; `header` and each row have the same length.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let filled = (0..header.len()).filter(|at| rows.iter().any(|row| !row[*at].is_empty())).collect::<Vec<_>>();
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(filled.iter().map(|at| header[*at]).collect());
    text.push_str(&format!("|{}\n", "---|".repeat(filled.len())));
    for row in rows {
        text.push_str(&line(filled.iter().map(|at| row[*at].as_str()).collect()));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_text_keeps_code_and_nothing_else() {
        for (text, line) in [
            ("set `wait: true`", "set `wait: true`"),
            ("a `b|c` d", "a `b\\|c` d"),
            ("<b>*x*</b> `", "&lt;b&gt;\\*x\\*&lt;/b&gt; \\`"),
            ("``` <img src=x>", "\\`\\`\\` &lt;img src=x&gt;"),
            ("one\n# two", "one # two"),
        ] {
            assert_eq!(inline(text), line);
        }
    }

    #[test]
    fn links_need_a_plain_address() {
        assert_eq!(link("a_b", "https://x/a_b"), "[a\\_b](https://x/a_b)");
        for address in ["javascript:1", "https://x/ (y)", "https://x/\">"] {
            assert_eq!(link("x", address), "x");
        }
    }

    #[test]
    fn fences_are_longer_than_those_inside() {
        assert_eq!(fenced("```\n</details>\n````"), "`````text\n```\n</details>\n````\n`````\n");
    }

    #[test]
    fn tables_leave_empty_columns_out() {
        let rows = [vec!["1".to_owned(), String::new(), "3".to_owned()]];
        assert_eq!(table(&["a", "b", "c"], &rows), "| a | c |\n|---|---|\n| 1 | 3 |\n\n");
    }
}
