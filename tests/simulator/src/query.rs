//! As much of GraphQL's language as is needed to answer a query: one operation, aliases, arguments,
//! variables and fragments.

use std::collections::BTreeMap;

use serde_json::Value;

/// A field that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// What it is to be called in the answer.
    pub(crate) alias: String,
    pub(crate) name: String,
    pub(crate) arguments: BTreeMap<String, Value>,
    pub(crate) selection: Vec<Selected>,
}

/// An entry of a selection.
#[derive(Clone, Debug)]
pub(crate) enum Selected {
    Field(Field),
    /// `... on Type { ... }`, without a type if none is named.
    Fragment(Option<String>, Vec<Selected>),
    /// `...Name`.
    Spread(String),
}

/// A document: what its operation selects, and its fragments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    pub(crate) mutation: bool,
    pub(crate) selection: Vec<Selected>,
    fragments: BTreeMap<String, (String, Vec<Selected>)>,
}

impl Document {
    /// Reads a query, with the variables already in their places.
    pub(crate) fn parse(text: &str, variables: &Value) -> Result<Document, String> {
        let mut parser = Parser { words: words(text)?, at: 0, variables };
        let mut document = Document::default();
        while let Some(word) = parser.peek() {
            match word {
                "{" => document.selection = parser.selection()?,
                "query" | "mutation" | "subscription" => {
                    document.mutation = word != "query";
                    while parser.peek().is_some_and(|word| word != "{") {
                        parser.next()?;
                    }
                    document.selection = parser.selection()?;
                }
                "fragment" => {
                    parser.next()?;
                    let name = parser.next()?.to_owned();
                    parser.expect("on")?;
                    let on = parser.next()?.to_owned();
                    let selection = parser.selection()?;
                    document.fragments.insert(name, (on, selection));
                }
                other => return Err(format!("`{other}` where an operation should begin")),
            }
        }
        Ok(document)
    }

    /// The fields of a selection that apply to an object of this type.
    pub(crate) fn fields<'a>(&'a self, selection: &'a [Selected], on: &str) -> Vec<&'a Field> {
        let mut fields = Vec::new();
        for selected in selection {
            match selected {
                Selected::Field(field) => fields.push(field),
                Selected::Fragment(None, inner) => fields.extend(self.fields(inner, on)),
                Selected::Fragment(Some(kind), inner) if fits(kind, on) => {
                    fields.extend(self.fields(inner, on));
                }
                Selected::Fragment(Some(_), _) => {}
                Selected::Spread(name) => {
                    if let Some((kind, inner)) = self.fragments.get(name)
                        && fits(kind, on)
                    {
                        fields.extend(self.fields(inner, on));
                    }
                }
            }
        }
        fields
    }
}

fn fits(kind: &str, on: &str) -> bool {
    kind == on || kind == "Node"
}

struct Parser<'a> {
    words: Vec<String>,
    at: usize,
    variables: &'a Value,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Result<&str, String> {
        self.at += 1;
        self.words.get(self.at - 1).map(String::as_str).ok_or_else(|| "the query breaks off".to_owned())
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        match self.next()? {
            found if found == word => Ok(()),
            found => Err(format!("`{found}` where `{word}` should be")),
        }
    }

    fn selection(&mut self) -> Result<Vec<Selected>, String> {
        self.expect("{")?;
        let mut selection = Vec::new();
        loop {
            match self.next()?.to_owned().as_str() {
                "}" => return Ok(selection),
                "..." => selection.push(self.fragment()?),
                name => selection.push(Selected::Field(self.field(name)?)),
            }
        }
    }

    fn fragment(&mut self) -> Result<Selected, String> {
        match self.peek() {
            Some("on") => {
                self.next()?;
                let kind = self.next()?.to_owned();
                Ok(Selected::Fragment(Some(kind), self.selection()?))
            }
            Some("{") => Ok(Selected::Fragment(None, self.selection()?)),
            _ => Ok(Selected::Spread(self.next()?.to_owned())),
        }
    }

    fn field(&mut self, first: &str) -> Result<Field, String> {
        let mut name = first.to_owned();
        if self.peek() == Some(":") {
            self.next()?;
            self.next()?.clone_into(&mut name);
        }
        let mut arguments = BTreeMap::new();
        if self.peek() == Some("(") {
            self.next()?;
            while self.peek() != Some(")") {
                let key = self.next()?.to_owned();
                self.expect(":")?;
                arguments.insert(key, self.value()?);
            }
            self.next()?;
        }
        let selection = if self.peek() == Some("{") { self.selection()? } else { Vec::new() };
        Ok(Field { alias: first.to_owned(), name, arguments, selection })
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.next()?.to_owned().as_str() {
            "$" => {
                let name = self.next()?.to_owned();
                Ok(self.variables.get(&name).cloned().unwrap_or(Value::Null))
            }
            "[" => {
                let mut list = Vec::new();
                while self.peek() != Some("]") {
                    list.push(self.value()?);
                }
                self.next()?;
                Ok(Value::Array(list))
            }
            // What is no JSON is the name of an enum's value.
            word => Ok(serde_json::from_str(word).unwrap_or_else(|_| word.into())),
        }
    }
}

/// Cuts a query into words and signs. Strings keep their quotes.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\r' | '\n' | ',' => {}
            '#' => while letters.next_if(|&next| next != '\n').is_some() {},
            '.' => {
                letters.next();
                letters.next();
                words.push("...".to_owned());
            }
            '"' => {
                let mut word = String::from('"');
                loop {
                    match letters.next() {
                        None => return Err("a string does not end".to_owned()),
                        Some('\\') => {
                            word.push('\\');
                            word.extend(letters.next());
                        }
                        Some('"') => break,
                        Some(inner) => word.push(inner),
                    }
                }
                word.push('"');
                words.push(word);
            }
            sign if "{}()[]:$!=@|".contains(sign) => words.push(sign.to_string()),
            start => {
                let mut word = String::from(start);
                while let Some(more) = letters.next_if(|next| next.is_alphanumeric() || "_-".contains(*next)) {
                    word.push(more);
                }
                words.push(word);
            }
        }
    }
    Ok(words)
}
