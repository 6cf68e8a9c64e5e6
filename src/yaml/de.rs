//! Types from a tree of YAML, with all errors at once, each with its place.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer as _, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::text::{MAX_SHOWN_NAME, cut, harmless, nearest};
use crate::yaml::compose::{Fault, Key, Kind, MAX_FAULTS, Node, Place};

/// Reads a type from a tree. What cannot be read is reported and left out, and the rest is read, so that one pass finds
/// every fault. `None` if nothing is left to read.
pub fn read_as<T: DeserializeOwned>(mut tree: Node) -> (Option<T>, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut removed_keys = RemovedKeys::new();
    loop {
        match T::deserialize(NodeDeserializer(&tree)) {
            Ok(value) => return (Some(value), faults),
            Err(error) => {
                let DeError { why, at, path, missing, .. } = *error;
                let place = at.unwrap_or(tree.place);
                // What was left out because of another fault is not missing.
                if !missing.is_some_and(|name| removed_keys.contains(&(place, name.to_owned()))) {
                    faults.push(Fault { place, why });
                }
                if faults.len() == MAX_FAULTS || tree.remove(&path, &mut removed_keys) == Removal::Nothing {
                    return (None, faults);
                }
            }
        }
    }
}

/// The keys that were left out, each with the place of its mapping.
pub(crate) type RemovedKeys = Vec<(Place, String)>;

/// The result of taking a value out of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    Nothing,
    Value,
    /// The last value of a list. An empty list was not written, so the list goes as well.
    LastOfList,
}

/// Why a value cannot be read. It gets its place and its path on the way up.
#[derive(Debug, Default)]
struct DeError {
    why: String,
    /// The type that is needed, where the value has another one.
    wanted: Option<String>,
    /// The key that is missing.
    missing: Option<&'static str>,
    at: Option<Place>,
    path: Vec<usize>,
}

impl DeError {
    /// A value of another type than this one.
    fn expected(wanted: String) -> Box<Self> {
        Box::new(Self { wanted: Some(wanted), ..Self::default() })
    }

    /// The same with the place of this value, unless it has one further in.
    fn at(mut self: Box<Self>, node: &Node) -> Box<Self> {
        if self.at.is_none() {
            self.at = Some(node.place);
            if let Some(wanted) = self.wanted.take() {
                self.why = format!("expected {wanted}, got {}", node.instead_of(&wanted));
            }
        }
        self
    }

    fn below(mut self: Box<Self>, step: usize) -> Box<Self> {
        self.path.push(step);
        self
    }
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for DeError {}

// Boxed, so that a result is no larger than what is read.
impl de::Error for Box<DeError> {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::new(DeError { why: why.to_string(), ..DeError::default() })
    }

    fn invalid_type(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let wanted = match wanted.to_string() {
            word if word == "a string" => "a text".to_owned(),
            word if word.starts_with("struct ") => "a mapping".to_owned(),
            word if word == "a map" => "a mapping".to_owned(),
            word if word == "a sequence" => "a list".to_owned(),
            word if word == "a boolean" => "true or false".to_owned(),
            word if word.starts_with('u') => "a whole number from 0".to_owned(),
            word if word.starts_with("a nonzero ") => "a whole number from 1".to_owned(),
            word => word,
        };
        DeError::expected(wanted)
    }

    fn invalid_value(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_type(Unexpected::Unit, wanted)
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Self::custom(format!("unknown key `{}`{}", harmless(&cut(name, MAX_SHOWN_NAME)), nearest(name, known)))
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        Self::custom(format!("unknown value `{}`{}", harmless(&cut(name, MAX_SHOWN_NAME)), nearest(name, known)))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new(DeError { why: format!("`{name}` is missing"), missing: Some(name), ..DeError::default() })
    }
}

/// Reads a value.
#[derive(Clone, Copy)]
struct NodeDeserializer<'a>(&'a Node);

impl<'de> Deserializer<'de> for NodeDeserializer<'_> {
    type Error = Box<DeError>;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<DeError>> {
        let read = match &self.0.kind {
            Kind::Mapping(entries) => visitor.visit_map(MappingAccess { entries, next: 0 }),
            Kind::List(items) => visitor.visit_seq(ListAccess { items, next: 0 }),
            Kind::Scalar(Value::String(text)) => visitor.visit_str(text),
            Kind::Scalar(Value::Bool(truth)) => visitor.visit_bool(*truth),
            Kind::Scalar(Value::Number(number)) => match number.as_u64() {
                Some(number) => visitor.visit_u64(number),
                None => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Kind::Scalar(_) => visitor.visit_unit(),
        };
        read.map_err(|error| error.at(self.0))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<DeError>> {
        visitor.visit_some(self).map_err(|error| error.at(self.0))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Box<DeError>> {
        let read = match &self.0.kind {
            Kind::Scalar(Value::Number(_)) if name == SPELLED => visitor.visit_str(&self.0.written),
            _ if name == SPELLED => return self.deserialize_any(visitor),
            _ => visitor.visit_newtype_struct(self),
        };
        read.map_err(|error| error.at(self.0))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Box<DeError>> {
        match &self.0.kind {
            Kind::Mapping(_) => self.deserialize_any(visitor),
            // Serde takes a list for the fields in their order.
            _ => Err(DeError::expected("a mapping".to_owned()).at(self.0)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Box<DeError>> {
        let word = match &self.0.kind {
            Kind::Scalar(Value::String(word)) => word.as_str(),
            _ => {
                let one_of = if variants.len() == 1 { "" } else { "one of " };
                return Err(DeError::expected(format!("{one_of}`{}`", variants.join("`, `"))).at(self.0));
            }
        };
        visitor.visit_enum(word.into_deserializer()).map_err(|error: Box<DeError>| error.at(self.0))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct MappingAccess<'a> {
    entries: &'a [(Key, Node)],
    next: usize,
}

impl<'de> MapAccess<'de> for MappingAccess<'_> {
    type Error = Box<DeError>;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Box<DeError>> {
        let Some((key, _)) = self.entries.get(self.next) else {
            return Ok(None);
        };
        let read = seed.deserialize(key.name.as_str().into_deserializer());
        read.map(Some).map_err(|mut error: Box<DeError>| {
            error.at = Some(key.place);
            error.below(self.next)
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Box<DeError>> {
        let (_, value) = &self.entries[self.next];
        self.next += 1;
        seed.deserialize(NodeDeserializer(value)).map_err(|error| error.at(value).below(self.next - 1))
    }
}

struct ListAccess<'a> {
    items: &'a [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for ListAccess<'_> {
    type Error = Box<DeError>;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Box<DeError>> {
        let Some(item) = self.items.get(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        seed.deserialize(NodeDeserializer(item)).map(Some).map_err(|error| error.at(item).below(self.next - 1))
    }
}

/// A text or a number as it was written: the version `1.10` is not 1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelled(pub String);
/// The name by which a tree knows [`Spelled`].
const SPELLED: &str = "Spelled";

impl<'de> Deserialize<'de> for Spelled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpelledVisitor;
        impl Visitor<'_> for SpelledVisitor {
            type Value = Spelled;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_str<E>(self, text: &str) -> Result<Spelled, E> {
                Ok(Spelled(text.to_owned()))
            }
        }
        deserializer.deserialize_newtype_struct(SPELLED, SpelledVisitor)
    }
}

/// One value or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
                T::deserialize(text.into_deserializer()).map(|one| OneOrMany(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OneOrMany<T>, A::Error> {
                let mut read = Vec::new();
                while let Some(item) = items.next_element()? {
                    read.push(item);
                }
                if read.is_empty() {
                    return Err(de::Error::custom("the list is empty; add an item, or remove the key"));
                }
                Ok(OneOrMany(read))
            }
        }
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::yaml::compose::{bomb, parse, warnings};

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct House {
        name: String,
        #[serde(default)]
        floors: Option<u32>,
        #[serde(default)]
        rooms: BTreeMap<String, Room>,
        #[serde(default)]
        version: Option<Spelled>,
        #[serde(default)]
        keepers: Option<OneOrMany<String>>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Room {
        has_window: bool,
        #[serde(default)]
        colour: Option<Colour>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    enum Colour {
        Red,
        Green,
    }

    fn read_house(text: &str) -> (Option<House>, Vec<String>) {
        let (tree, before) = parse(text).unwrap();
        let (house, faults) = read_as(tree);
        let all = before.into_iter().chain(faults);
        (house, all.map(|fault| format!("{}:{} {}", fault.place.line, fault.place.column, fault.why)).collect())
    }

    #[test]
    fn errors_of_the_parser_have_a_remedy() {
        for (text, remedy) in [
            ("a: b: c", "in quotes, and indent all keys of a mapping alike"),
            ("a:\n\tb: 1", "; indent with spaces, not with tabs"),
            ("a:\t1\n\tb: 2", "; indent with spaces, not with tabs"),
            ("a: *", "; put a value that begins with `*` or `&` in quotes"),
        ] {
            let fault = parse(text).map(|_| ()).unwrap_err();
            assert!(fault.why.ends_with(remedy), "{text}: {}", fault.why);
        }
    }

    #[test]
    fn valid_text_is_read() {
        let text = "name: x\nversion: 1.10\nrooms: {a: {has-window: true, colour: red}}\nkeepers: mona\n";
        let (house, faults) = read_house(text);
        let house = house.unwrap();
        assert_eq!(faults, [""; 0]);
        assert_eq!((house.name.as_str(), house.version), ("x", Some(Spelled("1.10".to_owned()))));
        assert_eq!(house.rooms["a"], Room { has_window: true, colour: Some(Colour::Red) });
        assert_eq!(house.keepers, Some(OneOrMany(vec!["mona".to_owned()])));
    }

    #[test]
    fn all_faults_have_places() {
        let (house, faults) = read_house(
            "name: x\nflors: 2\nfloors: many\nrooms:\n  a: {has-window: yes please, colour: red}\n  b:\n    colour: blue\n    \
             size: 4\n  c: []\nkeepers: [3, [x]]\nversion: true\n",
        );
        assert_eq!(
            faults,
            [
                "2:1 unknown key `flors`; did you mean `floors`?",
                "3:9 expected a whole number from 0, got `many`",
                "5:19 expected true or false, got `yes please`",
                "7:13 unknown value `blue`; there is `red`, `green`",
                "8:5 unknown key `size`; there is `has-window`, `colour`",
                "7:5 `has-window` is missing",
                "9:6 expected a mapping, got a list",
                "10:11 expected a text, got `3`; write it in quotes",
                "10:14 expected a text, got a list",
                "11:10 expected a text or a number, got `true`; write it in quotes",
            ]
        );
        let house = house.unwrap();
        assert_eq!((house.rooms.len(), house.keepers), (0, None));
    }

    #[test]
    fn quotes_around_other_types_are_named() {
        let (_, faults) =
            read_house("name: x\nfloors: \"2\"\nrooms: {a: {has-window: 'true'}, b: {has-window: '1'}}\n");
        assert_eq!(
            faults,
            [
                "2:9 expected a whole number from 0, got a text; remove the quotes",
                "3:25 expected true or false, got a text; remove the quotes",
                "3:50 expected true or false, got `1`",
            ]
        );
        assert_eq!(read_house("name: x\nfloors: '-2'\n").1, ["2:9 expected a whole number from 0, got `-2`"]);
    }

    #[test]
    fn unreadable_roots_are_reported() {
        assert_eq!(read_house("- x\n"), (None, vec!["1:1 expected a mapping, got a list".to_owned()]));
        assert_eq!(read_house("").1, ["1:1 expected a mapping, got nothing"]);
        assert_eq!(
            read_house("floors: -1\n").1,
            ["1:9 expected a whole number from 0, got `-1`", "1:1 `name` is missing"]
        );
        let many = (0..99).map(|at| format!("x{at}: 1\n")).collect::<String>();
        assert_eq!(read_house(&many).1.len(), MAX_FAULTS);
    }

    #[test]
    fn duplicate_keys_are_reported() {
        let (_, faults) = read_house("name: x\nname: y\nflors: 1\n");
        assert_eq!(
            faults,
            ["2:1 duplicate of a key above; keep one", "3:1 unknown key `flors`; did you mean `floors`?"]
        );
    }

    #[test]
    fn invalid_yaml_has_a_place() {
        for (text, place, part) in [
            ("a: 1\n b: [x\n", (2, 3), "mapping values are not allowed"),
            ("a: *x\n", (1, 4), "unknown anchor"),
            ("a: 1\n---\nb: 2\n", (2, 1), "only one document"),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!((fault.place.line, fault.place.column), place, "{text:?}");
            assert!(fault.why.contains(part) && !fault.why.contains(" at line "), "{text:?}: {}", fault.why);
        }
    }

    fn json(text: &str) -> Result<Value, String> {
        fn value(node: Node) -> Value {
            match node.kind {
                Kind::Mapping(entries) => entries.into_iter().map(|(key, node)| (key.name, value(node))).collect(),
                Kind::List(items) => items.into_iter().map(value).collect(),
                Kind::Scalar(value) => value,
            }
        }
        parse(text).map(|(node, _)| value(node)).map_err(|fault| fault.why)
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        use serde_json::json;
        for (text, wanted) in [
            ("", json!(null)),
            ("# nothing\n", json!(null)),
            ("[~, null, NULL, nil]", json!([null, null, null, "nil"])),
            ("[true, True, yes, on]", json!([true, true, "yes", "on"])),
            (
                "[0, -7, +7, 0o17, 0x1F, 18446744073709551615]",
                json!([0, -7, 7, 15, 31, 18_446_744_073_709_551_615_u64]),
            ),
            ("[1.5, -.5, 2e3, 1_000, 1.2.3, 2026-11-20]", json!([1.5, -0.5, 2000.0, "1_000", "1.2.3", "2026-11-20"])),
            ("[.inf, .nan, inf, e, '.', +]", json!([".inf", ".nan", "inf", "e", ".", "+"])),
            ("['1', \"true\", !!str 1, ! 1, !!int 1, !!float 1]", json!(["1", "true", "1", "1", 1, 1])),
            ("1: a\ntrue: b\n", json!({"1": "a", "true": "b"})),
            ("a: &x {b: 1}\nc: *x\n", json!({"a": {"b": 1}, "c": {"b": 1}})),
        ] {
            assert_eq!(json(text), Ok(wanted), "{text:?}");
        }
        assert!(json("!!int x").unwrap_err().contains("`x` is not of the type"));
        assert!(json("!secret x").unwrap_err().contains("unknown type `!secret`"));
        assert!(json("[a, b]: c").unwrap_err().contains("a key must be a text"));
        assert!(json("a: &x [*x]").unwrap_err().contains("inside its own anchor"));
    }

    #[test]
    fn merged_keys_rank_below_own_keys() {
        use serde_json::json;
        let text =
            "base: &base {a: 1, b: 1}\nmore: &more {b: 2, c: 2}\none: {<<: *base, b: 3}\nboth:\n  <<: [*base, *more]\n";
        let read = json(text).unwrap();
        assert_eq!(read["one"], json!({"a": 1, "b": 3}));
        assert_eq!(read["both"], json!({"a": 1, "b": 1, "c": 2}));
        assert!(json("a: {<<: 1}").unwrap_err().contains("only a mapping can be merged"));
    }

    #[test]
    fn what_yaml_drops_is_warned_about() {
        for (text, dropped) in [
            ("title: Fix #12 now\n", "`#12 now`"),
            ("a: 1\ntitle: #12\n", "`#12`"),
            ("list:\n  - one #two\n", "`#two`"),
            ("list: [a #b\n  ]\n", "`#b`"),
            ("title: x # the title", "`# the title`"),
            ("a: b ## c", "`## c`"),
            ("a: b #", "`#`"),
            ("title: &x y", "`&x`"),
            ("title: &x 'y'\nb: c", "`&x`"),
            ("title: &x\nb: c", "`&x`"),
        ] {
            let warnings = warnings(text, true);
            assert!(warnings.len() == 1 && warnings[0].contains(dropped), "{text}: {warnings:?}");
        }
        assert_eq!(
            warnings("title: Fix #12 now", true)[0],
            "line 1, column 8: `#12 now` is a comment and is dropped; put the value in quotes"
        );
        for text in [
            "title: 'Fix #12 now'",
            "a: # a comment\n  b: c",
            "a: # a comment\n  - b",
            "a: # a comment\n  'b'",
            "a: '' # a comment",
            "a:\n# a comment\nb: c",
            "a:\n  # a comment\n",
            "- a\n-\n# a comment",
            "a: &x 1\nb: *x",
            "a: b#c",
            "# x",
            "#x\na: b",
            "a: |\n  x #y\n",
            "a: \"x\" #y",
            "a: \"x\" #y\n# z\nb: '' #y",
        ] {
            assert_eq!(warnings(text, true), [""; 0], "{text}");
        }
    }

    #[test]
    fn value_that_a_comment_empties_is_warned_about() {
        for is_free in [true, false] {
            let warnings = |text: &str| warnings(text, is_free);
            assert_eq!(
                warnings("title: # 12"),
                [
                    "line 1, column 1: `title` is empty, because `# 12` is a comment; put the value in quotes, or write `''`"
                ]
            );
            for (text, name) in [
                ("a: 1\ntitle: #12\n", "`title`"),
                ("title: # 12\nb: c", "`title`"),
                ("'title': # 12\nb: c", "`'title'`"),
                ("a: {title: # 12\n  }", "`title`"),
                ("a:\n  title:   # 12\n", "`title`"),
                ("a:\n  - # 12\n  - b", "an item"),
                ("a:\n  - b\n  - # 12\n", "an item"),
            ] {
                let warnings = warnings(text);
                let is_named = |why: &String| why.contains(&format!(": {name} is empty, because `#"));
                assert!(warnings.len() == 1 && is_named(&warnings[0]), "{text}: {warnings:?}");
            }
        }
    }

    #[test]
    fn comments_of_people_are_no_warnings() {
        for text in ["a: x # the x\nb:\n  - y # the y\n# z\n", "a: x ## c", "a: x #", "a: 'x' #y", "a: x#y"] {
            assert_eq!(warnings(text, false), [""; 0], "{text}");
        }
        for text in ["a: Fix #12", "a: {b: c #d\n  }", "- x #12", "a: #12", "a: &x y"] {
            assert_eq!(warnings(text, false).len(), 1, "{text}");
        }
        assert_eq!(warnings(&"- x #12\n".repeat(1000), false).len(), MAX_FAULTS);
    }

    #[test]
    fn growing_text_is_refused() {
        let actual = parse(&bomb()).unwrap_err().why;
        assert!(actual.contains("once its aliases are expanded"), "{actual}");
        assert!(parse(&"[".repeat(10_000)).is_err());
    }
}
