//! Names that nothing has, and what shows nothing, where the engine itself says nothing.

use super::rendered;

#[test]
fn undefined_is_an_error_in_lists_and_mappings() {
    for source in [
        "{{ [vars.versoin] }}",
        "{{ [vars.versoin] | join(', ') }}",
        "{{ {'a': vars.versoin} | tojson }}",
        "{{ dict(a=vars.versoin) }}",
        "{{ vars.versoin | tojson }}",
        "{% set x = [1, vars.versoin] %}{{ x | length }}",
        "{{ {'a': [vars.versoin]} }}",
    ] {
        let error = rendered(source).unwrap_err();
        assert!(error.starts_with("release.md:1:"), "{source}: {error}");
        assert!(error.contains("`vars.versoin` is undefined; did you mean `vars.version`?"), "{source}: {error}");
    }
    assert!(rendered("{{ {a: 1} }}").unwrap_err().contains("`a` is undefined"));
}

#[test]
fn attribute_that_an_item_lacks_is_an_error() {
    let labels = "[{'name': 'bug'}, {'name': none}]";
    for filter in [
        "map(attribute='nmae')",
        "selectattr('nmae')",
        "rejectattr('nmae', 'eq', 'bug')",
        "sort(attribute='nmae')",
        "unique(attribute='nmae')",
        "groupby('nmae')",
    ] {
        let error = rendered(&format!("{{{{ {labels} | {filter} | list }}}}")).unwrap_err();
        assert!(error.contains("finds no `nmae` in an item; did you mean `name`?"), "{filter}: {error}");
    }
    let of = |filter: &str| rendered(&format!("{{{{ {labels} | {filter} | tojson }}}}")).unwrap();
    assert_eq!(of("map(attribute='nmae', default='x')"), r#"["x", "x"]"#);
    assert_eq!(of("selectattr('nmae', 'defined')"), "[]");
    assert_eq!(of("map(attribute='name')"), r#"["bug", null]"#);
}

#[test]
fn function_is_not_shown() {
    for source in [
        "{{ range }}",
        "{{ skip }}",
        "{{ 'x' ~ range }}",
        "{{ [range] }}",
        "{% macro m() %}{% endmacro %}{{ m }}",
        "{% for x in [1] %}{{ loop }}{% endfor %}",
    ] {
        let error = rendered(source).unwrap_err();
        assert!(error.contains("call it"), "{source}: {error}");
    }
}

#[test]
fn prompt_of_invisible_characters_is_empty() {
    for source in ["\u{200b}\u{feff} ", "{{ '\u{2800}' }}"] {
        assert!(rendered(source).unwrap_err().contains("the prompt is empty"), "{source:?}");
    }
}
