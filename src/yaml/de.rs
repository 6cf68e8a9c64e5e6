//! A YAML text as a tree that knows its places, and types read from it with everything that is wrong told at once.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer as _, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::text::{LONGEST_NAME, cut, harmless, nearest};
use crate::yaml::compose::{Fault, Key, Kind, MOST_FAULTS, Node, Place};

/// Reads a type from a tree. What cannot be read is told and left out, and the rest is read all the same, so that one
/// reading tells every fault. `None` is where nothing is left to read.
pub fn read_as<T: DeserializeOwned>(mut tree: Node) -> (Option<T>, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut gone = Gone::new();
    loop {
        match T::deserialize(Reading(&tree)) {
            Ok(value) => return (Some(value), faults),
            Err(wrong) => {
                let Wrong { why, at, path, missing, .. } = *wrong;
                let place = at.unwrap_or(tree.place);
                // What was left out because of a fault of its own is not missing.
                if !missing.is_some_and(|name| gone.contains(&(place, name.to_owned()))) {
                    faults.push(Fault { place, why });
                }
                if faults.len() == MOST_FAULTS || tree.remove(&path, &mut gone) == Removed::Nothing {
                    return (None, faults);
                }
            }
        }
    }
}

/// The names that were left out, each with the place of its mapping.
pub(crate) type Gone = Vec<(Place, String)>;

/// What came of taking a value out of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removed {
    Nothing,
    Value,
    /// The last value of a list, which nobody wrote as an empty one.
    LastOfList,
}

/// Why a value cannot be read, on its way up from where that was found.
#[derive(Debug, Default)]
struct Wrong {
    why: String,
    /// What should stand there, where something of another type does.
    wanted: Option<String>,
    /// The name that is missing.
    missing: Option<&'static str>,
    at: Option<Place>,
    path: Vec<usize>,
}

impl Wrong {
    /// Something of another type than what is wanted.
    fn of(wanted: String) -> Box<Self> {
        Box::new(Self { wanted: Some(wanted), ..Self::default() })
    }

    /// The same, found at this value unless it was found further in.
    fn at(mut self: Box<Self>, node: &Node) -> Box<Self> {
        if self.at.is_none() {
            self.at = Some(node.place);
            if let Some(wanted) = self.wanted.take() {
                self.why = format!("this is {}, and {wanted} is wanted{}", node.noun(), node.remedy(&wanted));
            }
        }
        self
    }

    fn below(mut self: Box<Self>, step: usize) -> Box<Self> {
        self.path.push(step);
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Wrong {}

// Boxed, so that what is read has no room kept beside it for what is wrong.
impl de::Error for Box<Wrong> {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::new(Wrong { why: why.to_string(), ..Wrong::default() })
    }

    fn invalid_type(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let wanted = match wanted.to_string() {
            word if word == "a string" => "a text".to_owned(),
            word if word.starts_with("struct ") => "a mapping".to_owned(),
            word if word == "a map" => "a mapping".to_owned(),
            word if word == "a sequence" => "a list".to_owned(),
            word if word.starts_with('u') => "a whole number".to_owned(),
            word => word,
        };
        Wrong::of(wanted)
    }

    fn invalid_value(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_type(Unexpected::Unit, wanted)
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Self::custom(format!("`{}` is no key here{}", harmless(&cut(name, LONGEST_NAME)), nearest(name, known)))
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        Self::custom(format!("`{}` is not known here{}", harmless(&cut(name, LONGEST_NAME)), nearest(name, known)))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new(Wrong { why: format!("`{name}` is missing here"), missing: Some(name), ..Wrong::default() })
    }
}

/// A value that is being read.
#[derive(Clone, Copy)]
struct Reading<'a>(&'a Node);

impl<'de> Deserializer<'de> for Reading<'_> {
    type Error = Box<Wrong>;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Wrong>> {
        let read = match &self.0.kind {
            Kind::Mapping(entries) => visitor.visit_map(Entries { entries, next: 0 }),
            Kind::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            Kind::Scalar(Value::String(text)) => visitor.visit_str(text),
            Kind::Scalar(Value::Bool(truth)) => visitor.visit_bool(*truth),
            Kind::Scalar(Value::Number(number)) => match number.as_u64() {
                Some(number) => visitor.visit_u64(number),
                None => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Kind::Scalar(_) => visitor.visit_unit(),
        };
        read.map_err(|wrong| wrong.at(self.0))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Box<Wrong>> {
        visitor.visit_some(self).map_err(|wrong| wrong.at(self.0))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Box<Wrong>> {
        let read = match &self.0.kind {
            Kind::Scalar(Value::Number(_)) if name == SPELLED => visitor.visit_str(&self.0.written),
            _ if name == SPELLED => return self.deserialize_any(visitor),
            _ => visitor.visit_newtype_struct(self),
        };
        read.map_err(|wrong| wrong.at(self.0))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Box<Wrong>> {
        match &self.0.kind {
            Kind::Mapping(_) => self.deserialize_any(visitor),
            // A list would be taken for the fields in their order.
            _ => Err(Wrong::of("a mapping".to_owned()).at(self.0)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Box<Wrong>> {
        let word = match &self.0.kind {
            Kind::Scalar(Value::String(word)) => word.as_str(),
            _ => return Err(Wrong::of(format!("one of `{}`", variants.join("`, `"))).at(self.0)),
        };
        visitor.visit_enum(word.into_deserializer()).map_err(|wrong: Box<Wrong>| wrong.at(self.0))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Entries<'a> {
    entries: &'a [(Key, Node)],
    next: usize,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Box<Wrong>;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Box<Wrong>> {
        let Some((key, _)) = self.entries.get(self.next) else {
            return Ok(None);
        };
        let read = seed.deserialize(key.name.as_str().into_deserializer());
        read.map(Some).map_err(|mut wrong: Box<Wrong>| {
            wrong.at = Some(key.place);
            wrong.below(self.next)
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Box<Wrong>> {
        let (_, value) = &self.entries[self.next];
        self.next += 1;
        seed.deserialize(Reading(value)).map_err(|wrong| wrong.at(value).below(self.next - 1))
    }
}

struct Items<'a> {
    items: &'a [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Box<Wrong>;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Box<Wrong>> {
        let Some(item) = self.items.get(self.next) else {
            return Ok(None);
        };
        self.next += 1;
        seed.deserialize(Reading(item)).map(Some).map_err(|wrong| wrong.at(item).below(self.next - 1))
    }
}

/// A text or a number, as it is spelled: the version `1.10` is not 1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelled(pub String);
/// What [`Spelled`] is called, so that the tree knows it.
const SPELLED: &str = "Spelled";

impl<'de> Deserialize<'de> for Spelled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Spelled;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_str<E>(self, text: &str) -> Result<Spelled, E> {
                Ok(Spelled(text.to_owned()))
            }
        }
        deserializer.deserialize_newtype_struct(SPELLED, Reader)
    }
}

/// One value or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
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
                    return Err(de::Error::custom("this list is empty; name something, or leave the key out"));
                }
                Ok(OneOrMany(read))
            }
        }
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::yaml::compose::{bomb, parse};

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

    fn told(text: &str) -> (Option<House>, Vec<String>) {
        let (tree, before) = parse(text).unwrap();
        let (house, faults) = read_as(tree);
        let all = before.into_iter().chain(faults);
        (house, all.map(|fault| format!("{}:{} {}", fault.place.line, fault.place.column, fault.why)).collect())
    }

    #[test]
    fn what_is_right_is_read() {
        let text = "name: x\nversion: 1.10\nrooms: {a: {has-window: true, colour: red}}\nkeepers: mona\n";
        let (house, faults) = told(text);
        let house = house.unwrap();
        assert_eq!(faults, [""; 0]);
        assert_eq!((house.name.as_str(), house.version), ("x", Some(Spelled("1.10".to_owned()))));
        assert_eq!(house.rooms["a"], Room { has_window: true, colour: Some(Colour::Red) });
        assert_eq!(house.keepers, Some(OneOrMany(vec!["mona".to_owned()])));
    }

    #[test]
    fn all_faults_are_told_at_once_each_with_its_place() {
        let (house, faults) = told(
            "name: x\nflors: 2\nfloors: many\nrooms:\n  a: {has-window: yes please, colour: red}\n  b:\n    colour: blue\n    \
             size: 4\n  c: []\nkeepers: [3, [x]]\nversion: true\n",
        );
        assert_eq!(
            faults,
            [
                "2:1 `flors` is no key here; did you mean `floors`?",
                "3:9 this is a text, and a whole number is wanted",
                "5:19 this is a text, and a boolean is wanted",
                "7:13 `blue` is not known here; there is `red`, `green`",
                "8:5 `size` is no key here; there is `has-window`, `colour`",
                "7:5 `has-window` is missing here",
                "9:6 this is a list, and a mapping is wanted",
                "10:11 this is a number, and a text is wanted; write it in quotes",
                "10:14 this is a list, and a text is wanted",
                "11:10 this is a boolean, and a text or a number is wanted; write it in quotes",
            ]
        );
        let house = house.unwrap();
        assert_eq!((house.rooms.len(), house.keepers), (0, None));
    }

    #[test]
    fn what_leaves_nothing_to_read_is_told_too() {
        assert_eq!(told("- x\n"), (None, vec!["1:1 this is a list, and a mapping is wanted".to_owned()]));
        assert_eq!(told("").1, ["1:1 this is empty, and a mapping is wanted"]);
        assert_eq!(
            told("floors: -1\n").1,
            ["1:9 this is a number, and a whole number is wanted", "1:1 `name` is missing here"]
        );
        let many = (0..99).map(|at| format!("x{at}: 1\n")).collect::<String>();
        assert_eq!(told(&many).1.len(), MOST_FAULTS);
    }

    #[test]
    fn a_name_that_stands_twice_is_told_beside_the_rest() {
        let (_, faults) = told("name: x\nname: y\nflors: 1\n");
        assert_eq!(
            faults,
            ["2:1 this is a duplicate of a name above; keep one", "3:1 `flors` is no key here; did you mean `floors`?"]
        );
    }

    #[test]
    fn what_is_no_yaml_has_a_place() {
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
    fn scalars_are_read_by_the_core_schema() {
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
        assert!(json("!secret x").unwrap_err().contains("`!secret` is no type"));
        assert!(json("[a, b]: c").unwrap_err().contains("a name must be a text"));
        assert!(json("a: &x [*x]").unwrap_err().contains("within what it stands for"));
    }

    #[test]
    fn what_a_mapping_takes_in_stands_below_what_it_says_itself() {
        use serde_json::json;
        let text =
            "base: &base {a: 1, b: 1}\nmore: &more {b: 2, c: 2}\none: {<<: *base, b: 3}\nboth:\n  <<: [*base, *more]\n";
        let read = json(text).unwrap();
        assert_eq!(read["one"], json!({"a": 1, "b": 3}));
        assert_eq!(read["both"], json!({"a": 1, "b": 1, "c": 2}));
        assert!(json("a: {<<: 1}").unwrap_err().contains("only mappings can be merged"));
    }

    #[test]
    fn a_text_that_grows_without_measure_is_refused() {
        let told = parse(&bomb()).unwrap_err().why;
        assert!(told.contains("once its aliases are written out"), "{told}");
        assert!(parse(&"[".repeat(10_000)).is_err());
    }
}
