//! The variables that a policy declares.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::prompt::sample::placeholder;
use crate::text::nearest;
use crate::yaml::de::Spelled;

/// A variable of a template.
#[derive(Debug, Clone)]
pub struct Var {
    pub(super) kind: VarKind,
    pub(super) required: bool,
    pub(super) default: Option<Value>,
    pub(super) options: Vec<String>,
}

/// A variable of a template, in full.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct VarTable {
    /// What the variable is for, in words for people.
    #[serde(default)]
    #[expect(dead_code, reason = "it is for those who read the file, and an editor that knows the schema")]
    description: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    kind: VarKind,
    /// Whether it must be given. It must, unless this is `false` or there is a default.
    #[serde(default)]
    required: Option<bool>,
    /// What it is if it is not given.
    #[serde(default)]
    default: Option<Value>,
    /// The values that it may have.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<Vec<crate::policy::tests::schema::TextOrNumber>>"))]
    options: Option<Vec<Spelled>>,
}

/// The type of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum VarKind {
    /// A text. A number counts as one, in its spelling.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of anything.
    List,
    /// A mapping of anything.
    Mapping,
}

impl VarKind {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::String, "string", "a text"),
        (Self::Number, "number", "a number"),
        (Self::Boolean, "boolean", "`true` or `false`"),
        (Self::List, "list", "a list"),
        (Self::Mapping, "mapping", "a mapping"),
    ];

    /// What it is, for people.
    pub(super) fn noun(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, _, noun)| noun)
    }

    /// A value as this type has it; nothing if it is of another.
    fn fit(self, value: &Value) -> Option<Value> {
        let fits = match (self, value) {
            (Self::String, Value::Number(number)) => return Some(number.to_string().into()),
            // A number with a fraction comes as a text, see `inputs/vars.rs`. Here it must compare as a number.
            (Self::Number, Value::String(text)) => {
                let integer = text.parse::<i64>().map(Value::from);
                return integer.ok().or_else(|| number(text).map(Value::from));
            }
            (Self::String, Value::String(_))
            | (Self::Number, Value::Number(_))
            | (Self::Boolean, Value::Bool(_))
            | (Self::List, Value::Array(_))
            | (Self::Mapping, Value::Object(_)) => true,
            _ => false,
        };
        fits.then(|| value.clone())
    }
}

/// The number that a text is.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

impl<'de> Deserialize<'de> for Var {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Var;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text with the type, or a mapping")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Var, E> {
                let words = VarKind::ALL.map(|(_, word, _)| word);
                match VarKind::ALL.iter().find(|(_, word, _)| *word == text) {
                    Some((kind, ..)) => Ok(Var { kind: *kind, required: true, default: None, options: Vec::new() }),
                    None => Err(E::custom(format!("`{text}` is not a type{}", nearest(text, &words)))),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Var, A::Error> {
                VarTable::deserialize(MapAccessDeserializer::new(entries))?.try_into().map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl TryFrom<VarTable> for Var {
    type Error = String;

    fn try_from(table: VarTable) -> Result<Self, String> {
        let VarTable { kind, required, default, options, .. } = table;
        let options = options.map(|options| options.into_iter().map(|option| option.0).collect::<Vec<_>>());
        if options.as_ref().is_some_and(Vec::is_empty) {
            return Err("`options` is empty; name some, or leave the key out".to_owned());
        }
        let odd = options.iter().flatten().find(|option| kind == VarKind::Number && number(option).is_none());
        if let Some(option) = odd {
            return Err(format!("the option `{option}` is not a number, so no value is equal to it"));
        }
        if options.is_some() && !matches!(kind, VarKind::String | VarKind::Number) {
            return Err("`options` are for a `string` or a `number`".to_owned());
        }
        if required == Some(true) && default.is_some() {
            return Err("`required: true` and a `default` contradict each other; keep one".to_owned());
        }
        let required = required.unwrap_or(default.is_none());
        let var = Self { kind, required, default: None, options: options.unwrap_or_default() };
        // A number does not become text here, because its spelling is lost.
        let default = default.map(|value| match (kind, &value) {
            (VarKind::String, Value::Number(_)) => {
                Err("`default` is a number, and the type is `string`; write it in quotes".to_owned())
            }
            _ => var.take(&value).map_err(|why| format!("`default` {why}")),
        });
        Ok(Self { default: default.transpose()?, ..var })
    }
}

impl Var {
    /// A value to try a template with; none for one that may be absent.
    pub(super) fn sample(&self) -> Option<Value> {
        let of_kind = || match self.kind {
            VarKind::String | VarKind::List | VarKind::Mapping => placeholder(),
            VarKind::Number => 1.into(),
            VarKind::Boolean => true.into(),
        };
        let first = || self.options.first().and_then(|option| self.kind.fit(&option.as_str().into()));
        self.default.clone().or_else(|| self.required.then(|| first().unwrap_or_else(of_kind)))
    }

    /// A value that was given, as the template gets it.
    pub(super) fn take(&self, value: &Value) -> Result<Value, String> {
        let Some(value) = self.kind.fit(value) else {
            return Err(format!("is not {}", self.kind.noun()));
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let same = |option: &String| match self.kind {
            // `1.10` and 1.1 are one number.
            VarKind::Number => number(option).is_some_and(|option| number(&text) == Some(option)),
            _ => *option == text,
        };
        match self.options.iter().any(same) || self.options.is_empty() {
            true => Ok(value),
            false => Err(format!("is none of `{}`", self.options.join("`, `"))),
        }
    }
}
