//! The run's page on a terminal: the log, the outputs and the summary as the runner and GitHub show them.

use std::io::{IsTerminal as _, Write};

use agent_task::text::cut;

/// How wide a page is, in characters.
const WIDTH: usize = 90;

/// The page: the standard output, a terminal or not.
#[derive(Clone, Copy)]
pub(crate) struct Page {
    colourful: bool,
}

impl Page {
    /// Colors only on a terminal, and not with `NO_COLOR`, <https://no-color.org>.
    pub(crate) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colourful: std::io::stdout().is_terminal() && !unwanted }
    }

    pub(crate) fn title(self, title: &str) {
        let line = "─".repeat(WIDTH.saturating_sub(title.chars().count() + 4));
        let (mark, title, line) = (self.dim("──"), self.bold(title), self.dim(&line));
        say(&format!("\n{mark} {title} {line}"));
    }

    /// Outputs, one a line. The two long ones are shortened: one is for machines, the other is in the log.
    pub(crate) fn outputs(self, outputs: &[(String, String)]) {
        for (name, value) in outputs {
            let long = ["results", "error-message"].contains(&name.as_str());
            let value = value.replace('\n', " ↵ ");
            let value = if long { cut(&value, WIDTH - name.len() - 1) } else { value };
            say(&format!("{}{value}", self.dim(&format!("{name}="))));
        }
    }

    /// A step summary: its headings, tables, links and folded parts. It has no other Markdown.
    pub(crate) fn summary(self, markdown: &str) {
        let mut shown = Vec::<String>::new();
        let mut rows = Vec::new();
        let mut fence = None;
        let mut folded = false;
        for line in markdown.lines().chain([""]) {
            match fence {
                Some(end) if line == end => fence = None,
                Some(_) if folded => {}
                Some(_) => shown.push(format!("  {line}")),
                None if line.starts_with("```") => fence = Some(line.trim_end_matches(|it| it != '`')),
                None if line.starts_with('|') => rows.push(cells(line)),
                None => {
                    shown.extend(self.table(&std::mem::take(&mut rows)));
                    if let Some(title) = line.strip_prefix("<details><summary>") {
                        shown.push(format!("▶ {}", inline(title.trim_end_matches("</summary>"))));
                        folded = true;
                    } else if line == "</details>" {
                        folded = false;
                    } else if line.starts_with('#') {
                        shown.push(self.bold(&inline(line.trim_start_matches(['#', ' ']))));
                    } else if !folded && (!line.is_empty() || shown.last().is_some_and(|before| !before.is_empty())) {
                        shown.push(inline(line));
                    }
                }
            }
        }
        say(shown.join("\n").trim_end());
    }

    /// A table in columns, without the line under its head, and without an empty head.
    fn table(self, rows: &[Vec<String>]) -> Vec<String> {
        let says = |row: &&Vec<String>| row.iter().any(|cell| cell.chars().any(|it| it != '-'));
        let wide = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        let line = |row: &Vec<String>| {
            let cells = row.iter().enumerate().map(|(at, cell)| match at {
                0 => self.dim(&format!("{cell:<0$}", wide(0).unwrap_or_default())),
                at if at + 1 < row.len() => format!("{cell:<0$}", wide(at).unwrap_or_default()),
                _ => cell.clone(),
            });
            cells.collect::<Vec<_>>().join("  ")
        };
        rows.iter().filter(says).map(line).collect()
    }

    fn painted(self, code: &str, text: &str) -> String {
        if self.colourful { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.painted("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.painted("2", text)
    }
}

/// A line on the standard output. A closed pipe does not stop the rehearsal.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The log as the runner shows it: workflow commands are carried out and not shown.
pub(crate) struct Log {
    page: Page,
    begun: Vec<u8>,
    masks: Vec<String>,
    folded: bool,
}

impl Log {
    pub(crate) fn new(page: Page) -> Self {
        Self { page, begun: Vec::new(), masks: Vec::new(), folded: false }
    }

    /// What the runner itself prints before a step: its name and its inputs.
    pub(crate) fn introduce(&mut self, inputs: &[(&str, &str)]) {
        self.show("::group::Run agent-task");
        self.show("  with:");
        for (name, value) in inputs {
            let value = value.trim_end();
            let block = value.contains('\n').then(|| format!("|\n{value}").replace('\n', "\n      "));
            let text = format!("    {name}: {}", block.as_deref().unwrap_or(value));
            text.lines().for_each(|line| self.show(line));
        }
        self.show("::endgroup::");
    }

    fn show(&mut self, line: &str) {
        let line = self.masks.iter().fold(line.to_owned(), |line, mask| line.replace(mask, "***"));
        let Some((name, properties, data)) = command(&line) else {
            return say(&if self.folded { self.page.dim(&line) } else { line });
        };
        let title = properties.split(',').find_map(|it| it.trim().strip_prefix("title="));
        let data = unescaped(data);
        let annotate = |colour: &str, level: &str| {
            let title = title.map_or_else(String::new, |title| format!(" {}:", unescaped(title)));
            say(&format!("{} {data}", self.page.painted(colour, &format!("{level}:{title}"))));
        };
        match name {
            "add-mask" => self.masks.extend((!data.is_empty()).then_some(data)),
            "group" => {
                say(&format!("▼ {}", self.page.bold(&data)));
                self.folded = true;
            }
            "endgroup" => self.folded = false,
            "error" => annotate("1;31", "Error"),
            "warning" => annotate("1;33", "Warning"),
            "notice" => annotate("1;36", "Notice"),
            "debug" => {}
            _ => say(&line),
        }
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        while let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
            let line = self.begun.drain(..=end).collect::<Vec<_>>();
            self.show(String::from_utf8_lossy(&line).trim_end_matches('\n'));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stdout().flush()
    }
}

/// The parts of a line `::name properties::data`.
fn command(line: &str) -> Option<(&str, &str, &str)> {
    let (head, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    Some((name, properties, data))
}

fn unescaped(text: &str) -> String {
    let pairs = [("%0D", ""), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The outputs as the runner reads them: `name<<END`, lines, `END`, or `name=value`. The last value of a name wins.
pub(crate) fn outputs(text: &str) -> Vec<(String, String)> {
    let mut outputs = Vec::<(String, String)>::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, value) = match (line.split_once("<<"), line.split_once('=')) {
            (Some((name, end)), _) if !name.contains('=') => {
                let value = lines.by_ref().take_while(|line| *line != end).collect::<Vec<_>>();
                (name, value.join("\n"))
            }
            (_, Some((name, value))) => (name, value.to_owned()),
            _ => continue,
        };
        match outputs.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => outputs.push((name.to_owned(), value)),
        }
    }
    outputs
}

/// The cells of a table's row; a bar after a backslash does not separate cells.
fn cells(line: &str) -> Vec<String> {
    let parted = line.trim_matches('|').replace("\\|", "\0");
    parted.split('|').map(|cell| inline(cell.trim()).replace('\0', "|")).collect()
}

/// A line of Markdown as plain text.
fn inline(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '`', '[', ']']) {
        let (mark, after) = (&rest[at..=at], &rest[at + 1..]);
        plain.push_str(&rest[..at]);
        rest = after;
        match mark {
            "\\" => {
                let mut chars = after.chars();
                plain.extend(chars.next());
                rest = chars.as_str();
            }
            "]" => match after.strip_prefix('(').and_then(|it| it.split_once(')')) {
                Some((address, after)) => {
                    plain.push_str(&format!(" ({address})"));
                    rest = after;
                }
                None => plain.push(']'),
            },
            _ => {}
        }
    }
    plain.push_str(rest);
    plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
