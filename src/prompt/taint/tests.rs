use super::*;

/// A template, guarded; only `github.ref` is trusted.
fn guarded(source: &str) -> Guarded {
    guard("prompt", source, |path| path == ["ref"])
}

/// What of a template is put into a fence.
fn fenced(source: &str) -> Vec<&str> {
    guarded(source).places.into_iter().map(|place| source[place].trim()).collect()
}

#[test]
fn taint_follows_a_path_below_github() {
    for (source, expected) in [
        ("{{ github.event.a }}", &["github.event.a"][..]),
        ("{{ github['event'].a }}", &["github['event'].a"]),
        ("{{ github.ref }}{{ github['ref'] }}", &[]),
        ("{{ github[vars.x] }}", &["github[vars.x]"]),
        ("{{ vars[github.event.a] }}", &["vars[github.event.a]"]),
        ("{{ [vars.a, github.event.a][0].b }}", &["[vars.a, github.event.a][0].b"]),
        ("{{ github }}", &["github"]),
        ("{{ pull_request.url }}", &["pull_request.url"]),
        ("{% set github = vars %}{{ github.ref }}", &["github.ref"]),
        ("{{ vars.a }}{{ 'github.event' }}", &[]),
        ("{{ 1 if github.event.a else 2 }}{% if github.event.a %}x{% endif %}", &["1 if github.event.a else 2"]),
        ("{{ github.event.a | untrusted | upper }}", &["github.event.a | untrusted | upper"]),
    ] {
        assert_eq!(fenced(source), expected, "{source}");
    }
}

#[test]
fn taint_follows_every_assignment() {
    for (source, expected) in [
        ("{% set x = github.event.a %}{{ x }}{{ y }}", &["x"][..]),
        ("{% set x = vars.a %}{{ x }}", &[]),
        ("{% set x %}{{ github.event.a }}{% endset %}{{ x }}", &["x"]),
        ("{% set x | untrusted %}{{ vars.a }}{% endset %}{{ x }}", &["x"]),
        ("{% set x %}{{ vars.a }}{% endset %}{{ x }}", &[]),
        ("{% set (x, y) = github.event.a %}{{ x }}{{ y }}", &["x", "y"]),
        ("{% for x, y in github.event.a %}{{ y }}{% endfor %}", &["y"]),
        ("{% with x = github.event.a %}{{ x }}{% endwith %}", &["x"]),
        ("{% for x in github.event.a %}{{ x }}{{ loop.previtem }}{% endfor %}", &["x", "loop.previtem"]),
        ("{% for x in vars.a %}{{ x }}{{ loop.previtem }}{% endfor %}", &[]),
        ("{% for x in vars.a if github.event.a %}{{ x }}{% endfor %}", &[]),
        ("{% set it = namespace() %}{% set it.a = github.event.a %}{{ it.a }}", &["it.a"]),
        ("{% set it = namespace() %}{% set it.a = vars.a %}{{ it.a }}", &[]),
        ("{% set it = namespace() %}{% set on = it %}{% set it.a = github.event.a %}{{ on.a }}", &["on.a"]),
        ("{% import 'x' as y %}{{ y.z }}", &["y.z"]),
        ("{% from 'x' import y, z as w %}{{ y }}{{ w }}{{ z }}", &["y", "w"]),
    ] {
        assert_eq!(fenced(source), expected, "{source}");
    }
}

#[test]
fn taint_reaches_names_in_any_order() {
    let up = "{{ a }}{% set a = b %}{% set b = c %}{% set c = github.event.a %}";
    let down = "{% set c = github.event.a %}{% set b = c %}{% set a = b %}{{ a }}";
    for source in [up, down] {
        assert_eq!(fenced(source), ["a"], "{source}");
    }
    let assigned_later = "{{ github.ref }}{% for x in [1] %}{% set github = vars %}{% endfor %}";
    assert_eq!(fenced(assigned_later), ["github.ref"]);
}

#[test]
fn taint_follows_calls() {
    const MACRO: &str = "{% macro m(x) %}{{ x }}{% endmacro %}";
    for (source, expected) in [
        ("{{ m('a') }}", &[][..]),
        ("{% set it = m(github.event.a) %}{{ m('a') }}", &["m('a')"]),
        ("{% if m(github.event.a) %}{{ m('a') }}{% endif %}", &["m('a')"]),
        ("{% do m(github.event.a) %}{{ m('a') }}", &["m('a')"]),
        ("{% do m(vars.f(github.event.a)) %}{{ m('a') }}", &["m('a')"]),
        ("{% do m(vars.a) %}{{ m('a') }}", &[]),
        ("{% macro n(x=github.event.a) %}{{ x }}{% endmacro %}{{ n() }}", &["n()"]),
        ("{% macro n(x=vars.a) %}{{ x }}{% endmacro %}{{ n() }}", &[]),
        ("{% macro n() %}{{ github.event.a }}{% endmacro %}{{ n() }}", &["n()"]),
        ("{% macro n() %}{% macro o() %}{{ github.event.a }}{% endmacro %}{% endmacro %}{{ n() }}{{ o() }}", &["o()"]),
        ("{% for i in vars.a recursive %}{{ i }}{% if loop(github.event.a) %}{% endif %}{% endfor %}", &["i"]),
        ("{% for i in vars.a recursive %}{{ i }}{% endfor %}", &[]),
        ("{% for i in vars.a %}{{ i }}{% endfor %}{% do m(github.event.a) %}", &[]),
        ("{% block b %}{{ github.event.a }}{% endblock %}{{ self.b() }}", &["github.event.a", "self.b()"]),
        ("{% block b %}{{ vars.a }}{% endblock %}{{ self.b() }}", &[]),
    ] {
        let source = format!("{MACRO}{source}");
        assert_eq!(fenced(&source), expected, "{source}");
    }
}

#[test]
fn block_whose_text_is_changed_is_fenced_as_a_whole() {
    for (source, expected) in [
        (
            "a{% filter upper %}{{ github.event.a }}{% endfilter %}",
            &["{% filter upper %}{{ github.event.a }}{% endfilter %}"][..],
        ),
        ("a{% filter upper %}{{ vars.a }}{% endfilter %}", &[]),
        (
            "{%- filter upper +%}{{ github.event.a }}{% endfilter -%}",
            &["{%- filter upper +%}{{ github.event.a }}{% endfilter -%}"],
        ),
        (
            "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ github.event.a }}{% endcall %}",
            &["{% call m() %}{{ github.event.a }}{% endcall %}"],
        ),
        ("{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ vars.a }}{% endcall %}", &[]),
        (
            "{% filter replace('a', github.event.a) %}a{% endfilter   %}b",
            &["{% filter replace('a', github.event.a) %}a{% endfilter   %}"],
        ),
        ("{% call vars.m(github.event.a) %}a{% endcall %}", &["{% call vars.m(github.event.a) %}a{% endcall %}"]),
    ] {
        assert_eq!(fenced(source), expected, "{source}");
    }
    let marked = guarded("a {%- filter upper %}{{ github.event.a }}{% endfilter -%} b");
    assert_eq!(
        marked.source,
        "a {%- filter untrusted %}{%- filter upper %}{{ github.event.a }}{% endfilter -%}{% endfilter -%} b"
    );
}

#[test]
fn origin_is_the_place_before_anything_was_inserted() {
    let source = "a {{- github.event.a -}} b {{ github.event.b }} c";
    let guarded = guarded(source);
    assert_eq!(guarded.source, "a {{-( github.event.a)|untrusted -}} b {{( github.event.b)|untrusted }} c");
    for part in ["a {{-", "event.a", "-}} b", "event.b", "}} c"] {
        let at = guarded.source.find(part).unwrap();
        assert_eq!(guarded.origin(at), source.find(part).unwrap(), "{part}");
    }
    // What was inserted has the place at which it was.
    assert_eq!(guarded.origin(guarded.source.find('(').unwrap()), source.find(" github").unwrap());
    for inserted in [")|untrusted", "|untrusted", "untrusted", "d -}}"] {
        assert_eq!(guarded.origin(guarded.source.find(inserted).unwrap()), source.find(" -}}").unwrap(), "{inserted}");
    }
    assert_eq!(guarded.origin(guarded.source.len()), source.len());
    assert_eq!(guarded.origin(0), 0);
}

#[test]
fn guard_goes_behind_the_mark_for_spaces() {
    for before in ["", "a", "ab", "abcd"] {
        let source = format!("{before}{{{{- github.event.a }}}}");
        assert_eq!(guarded(&source).source, format!("{before}{{{{-( github.event.a)|untrusted }}}}"));
    }
    assert_eq!(guarded("{{ github.event.a").source, "{{ github.event.a");
}

#[test]
fn formats_and_reasons_from_outside_are_refused() {
    for (source, expected) in [
        ("{{ github.event.a | format(1) }}", 1),
        ("{{ vars.a | format(github.event.a) }}", 0),
        ("{{ [github.event.a] | map('format', 1) }}", 1),
        ("{{ [github.event.a] | map('upper') }}", 0),
        ("{% filter format(1) %}{{ github.event.a }}{% endfilter %}", 1),
        ("{% filter format(1) %}{{ vars.a }}{% endfilter %}", 0),
        ("{% set x | format(1) %}{{ github.event.a }}{% endset %}", 1),
        ("{{ skip(github.event.a) }}", 1),
        ("{% do skip(github.event.a) %}", 1),
        ("{{ skip('nothing to do') }}{% do skip(vars.a) %}", 0),
        ("{{ vars.skip(github.event.a) }}", 0),
        ("{% if true %}{% for x in [1] %}{{ skip(github.event.a) }}{% endfor %}{% endif %}", 1),
    ] {
        assert_eq!(guarded(source).refused.len(), expected, "{source}");
    }
    let source = "{% do skip(github.event.a) %}";
    assert_eq!(&source[guarded(source).refused[0].0.clone()], "do skip(github.event.a)");
}
