use serde_json::json;

use crate::actions::context::Environment as Variables;

use super::*;

mod unknown;

/// How many statements the parser takes in one another; the text in the last is one as well.
const MAX_NESTED: usize = 149;

#[test]
fn functions_that_errors_list_are_those_that_exist() {
    let environment = sandbox::environment(&Budget::new());
    let mut names = environment.globals().map(|(name, _)| name).chain([taint::SKIP]).collect::<Vec<_>>();
    names.sort_unstable();
    assert_eq!(names, explain::FUNCTIONS);
}

fn rendered(source: &str) -> Result<String, String> {
    rendered_as("release.md", source)
}

fn rendered_as(name: &str, source: &str) -> Result<String, String> {
    with_event(name, source, json!({"issue": {"title": "Café ☕", "created_at": "2026-11-02T08:00:00Z", "body": null}}))
}

fn with_event(name: &str, source: &str, event: Json) -> Result<String, String> {
    let variables = [("GITHUB_ACTOR".to_owned(), "mona".to_owned()), ("HOME".to_owned(), "/root".to_owned())];
    let context = Context::new(&Variables::from_iter(variables), Some(event), None).fenced_by("0f".to_owned());
    let vars = json!({"version": "1.10", "items": ["a", "b"], "urgent": false, "nothing": null});
    let template = Template { name: name.to_owned(), source: source.to_owned() };
    let scope = Scope {
        context: &context,
        vars: vars.as_object(),
        target: &"octo/app".parse().unwrap(),
        entry: None,
        pull_request: None,
        now: "2026-11-20T21:51:09Z".parse().unwrap(),
        zone: &TimeZone::UTC,
        untrusted: Untrusted::Fence,
        samples: false,
    };
    prompt(&template, &scope)
}

/// The prompt that a template makes.
fn prompt(template: &Template, scope: &Scope<'_>) -> Result<String, String> {
    match render(template, scope) {
        Ok(Rendered::Prompt(prompt)) => Ok(prompt),
        Ok(Rendered::Skipped(reason)) => Err(format!("skipped: {reason}")),
        Err(error) => Err(error.to_string()),
    }
}

/// The same, if nothing of the run is known.
fn tried(source: &str, vars: &Json) -> Result<String, String> {
    let scope = Scope {
        context: &Context::default().fenced_by("0f".to_owned()),
        vars: vars.as_object(),
        target: &"octo/app".parse().unwrap(),
        entry: None,
        pull_request: None,
        now: "2026-11-20T21:51:09Z".parse().unwrap(),
        zone: &TimeZone::UTC,
        untrusted: Untrusted::Fence,
        samples: true,
    };
    prompt(&Template { name: "release.md".to_owned(), source: source.to_owned() }, &scope)
}

#[test]
fn template_sees_run_target_vars_and_time() {
    let prompt = rendered(
        "Release {{ vars.version }} of {{ target.full_name }} ({{ target.owner }}, {{ target.name }})\n\
         {% for item in vars['items'] %}\n- {{ item }}\n{% endfor %}\n\
         asked by {{ github.actor }}\n\
         {{ now }}, {{ now.date }}, {{ now | date('week %V of %G') }}, {{ github.event.issue.created_at | date('%d %B') }}",
    );
    assert_eq!(
        prompt.unwrap(),
        "Release 1.10 of octo/app (octo, app)\n- a\n- b\nasked by mona\n\
         2026-11-20T21:51:09Z, 2026-11-20, week 47 of 2026, 02 November"
    );
}

#[test]
fn unknown_name_has_place_and_near_names() {
    let error = rendered("one\nété {{ vars.versoin }} two").unwrap_err();
    assert_eq!(
        error,
        "release.md:2:8: `vars.versoin` is undefined; did you mean `vars.version`? `vars` has `version`, \
         `items`, `nothing`, `urgent`\n 2 | été {{ vars.versoin }} two\n   |        ^^^^^^^^^^^^"
    );
    let error = rendered("{{ github.event.isue.title | upper }}").unwrap_err();
    assert!(
        error.starts_with("release.md:1:4: `github.event.isue` is undefined; did you mean `github.event.issue`?"),
        "{error}"
    );
    let error = rendered("{{ vras.version }}").unwrap_err();
    assert!(error.contains("did you mean `vars`?"), "{error}");
    let event = json!({"commits": [{"message": "a", "two words": "b"}], "none": [], "a\u{202e}b": "c\u{200b}d"});
    for (name, remedy) in [
        (
            "commits[0].mesage",
            "; did you mean `github.event.commits[0].message`? `github.event.commits[0]` has `message`",
        ),
        ("commits[0].two_words", "; did you mean `github.event.commits[0]['two words']`?"),
        (
            "commits.mesage",
            "; `github.event.commits` is a list and has no names: write `github.event.commits[0]`, or loop",
        ),
        ("commits[1].mesage", "; `github.event.commits` has 1 item, the first is `[0]`"),
        ("none[0].mesage", "; `github.event.none` is a list without items"),
        ("commits[0]['message'].x", "; `github.event.commits[0]['message']` is a text and has no names"),
        ("nothing", "; `github.event` has `ab`, `commits`, `none`"),
        ("a_b", "; did you mean `github.event['ab']`?"),
    ] {
        let error = with_event("it.md", &format!("{{{{ github.event.{name} }}}}"), event.clone()).unwrap_err();
        assert!(error.contains(&format!("is undefined{remedy}")), "{name}: {error}");
    }
    for source in ["{% for x in vars['items'] %}{{ x.version }}{% endfor %}", "{{ (vars.version | upper).x }}"] {
        let error = rendered(source).unwrap_err();
        assert!(error.contains("` is undefined\n"), "{source}: {error}");
    }
    let error = rendered("{% if vars.urgnt %}x{% endif %}").unwrap_err();
    assert!(error.contains("did you mean `vars.urgent`?"), "{error}");
}

#[test]
fn missing_inputs_and_variables_are_explained() {
    let error = rendered("{{ inputs.version }}").unwrap_err();
    assert!(error.contains("`inputs: ${{ toJSON(inputs) }}`"), "{error}");
    let error = tried("{{ vars.REGION }}", &json!({})).unwrap_err();
    assert!(error.contains("pass `REGION: ${{ vars.REGION }}`"), "{error}");
}

#[test]
fn faults_have_places() {
    for (source, place, what) in [
        ("a\n{% if x %}", "release.md:2:", "expected end of block"),
        ("{{ vars.version | nofilter }}", "release.md:1:", "filter nofilter is unknown"),
        ("{{ vars.version | date('%Y') }}", "release.md:1:", "not `1.10`"),
        ("{{ now | date('%!') }}", "release.md:1:", "is not a format for `date`"),
        ("{% include 'other.md' %}", "release.md:1:", "a prompt has no `include`"),
        ("{{ 1 / 0 }}", "release.md:1:", ""),
    ] {
        let error = rendered(source).unwrap_err();
        assert!(error.starts_with(place) && error.contains(what), "{source}: {error}");
    }
}

#[test]
fn unknown_filters_methods_and_tests_have_remedies() {
    for (source, what) in [
        ("{{ vars.version | uper }}", "filter uper is unknown; did you mean `upper`?"),
        ("{{ vars.version | nofilter }}", "filter nofilter is unknown; see https://docs.rs/minijinja/"),
        ("{{ vars.version is nottest }}", "test nottest is unknown; see https://docs.rs/minijinja/"),
        ("{{ vars.version.split('.') }}", "a text has no methods; use the filter: `| split`"),
        ("{{ vars.version.strip() }}", "a text has no method `strip`; values have filters instead of methods\n"),
    ] {
        let error = rendered(source).unwrap_err();
        assert!(error.contains(what), "{source}: {error}");
    }
}

#[test]
fn messages_of_the_engine_have_remedies() {
    let nested = |depth| format!("{}x{}", "{% if true %}".repeat(depth), "{% endif %}".repeat(depth));
    assert!(rendered(&nested(MAX_NESTED)).is_ok());
    let error = rendered(&nested(MAX_NESTED + 1)).unwrap_err();
    assert!(error.contains("more than 150 deep; nest less\n"), "{error}");
    let sources = [
        "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}x",
        "{% macro m() %}x{{ m() }}{% endmacro %}{{ m() }}",
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{% import 'x' as y %}",
        "{% from 'x' import y %}",
        "{{ vars.version | replace('a') }}",
        "{{ vars.version | upper(1) }}",
        "{% filter replace %}a{% endfilter %}",
        "{{ vars.version is startingwith }}",
        "{{ range() }}",
        "{{ range(vars.version) }}",
        "{{ vars['items'] | batch('a') }}",
        "{{ vars['items'] | split(',') }}",
        "{{ vars['items'] | sum }}",
        "{{ vars['items'] | map }}",
        "{{ vars.version | attr('x') }}",
        "{{ 'x' | int }}",
        "{{ 5 | first }}",
        "{{ dict(1) }}",
        "{{ vars() }}",
        "{{ upper(vars.version) }}",
        "{{ loop() }}",
        "{{ vars.version.split(',') }}",
        "{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}",
        "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
        "{% for x in 5 %}{% endfor %}",
        "{{ vars.version * 60 }}",
        "{{ 1 + vars.version }}",
        "{{ now - 1 }}",
        "{{ vars['items'] * 1.5 }}",
        "{{ vars['items'] * vars.version }}",
        "{{ vars.x || 'y' }}",
        "{{ vars.x && 'y' }}",
        "{{ !vars.x }}",
        "{% if vars.x = 1 %}{% endif %}",
        "{{ vars.x ? 'a' : 'b' }}",
        "{{ vars.x ?? 'a' }}",
        "{{ vars.x == 'a' && 'b' }}",
        "{% if vars.x %}a{% elseif vars.y %}b{% endif %}",
        "{% if vars.x %}a{% else if vars.y %}b{% endif %}",
        "{% if vars.x %}a",
        "{% if vars.x",
        "{{ vars.version",
        "{{ toJSON(vars) }}",
        "{{ contains(vars.version, '1') }}",
        "{{ startsWith(vars.version, '1') }}",
        "{{ env.HOME }}",
        "{{ strategy.job-index }}",
        "{{ secrets.TOKEN }}",
    ];
    let shown = sources.map(|source| {
        let error = rendered(source).expect_err(source);
        let error = error.lines().next().unwrap_or_default().replace(syntax::RAW_REMEDY, "RAW");
        format!("{source}\n    {error}")
    });
    insta::assert_snapshot!(shown.join("\n"), @"
    {% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}x
        release.md:1:40: the template takes more than 10000000 instructions; loop less, or over less
    {% macro m() %}x{{ m() }}{% endmacro %}{{ m() }}
        release.md:1:20: macros, blocks and loops are in one another, or call one another, more than 40 deep; end the recursion, or nest less
    {% include 'x' %}
        release.md:1:4: a prompt has no `include`, `extends`, `import` and `from`; write the text itself
    {% extends 'x' %}
        release.md:1:4: a prompt has no `include`, `extends`, `import` and `from`; write the text itself
    {% import 'x' as y %}
        release.md:1:4: a prompt has no `include`, `extends`, `import` and `from`; write the text itself
    {% from 'x' import y %}
        release.md:1:4: a prompt has no `include`, `extends`, `import` and `from`; write the text itself
    {{ vars.version | replace('a') }}
        release.md:1:19: `replace` needs another argument
    {{ vars.version | upper(1) }}
        release.md:1:19: `upper` takes fewer arguments
    {% filter replace %}a{% endfilter %}
        release.md:1:11: `replace` needs another argument
    {{ vars.version is startingwith }}
        release.md:1:20: `startingwith` needs another argument
    {{ range() }}
        release.md:1:4: `range` needs another argument
    {{ range(vars.version) }}
        release.md:1:4: `range` takes a whole number, and was given a text; write `| int` after it
    {{ vars['items'] | batch('a') }}
        release.md:1:20: `batch` takes a whole number, and was given a text; write `| int` after it
    {{ vars['items'] | split(',') }}
        release.md:1:20: `split` takes a text, and was given something else
    {{ vars['items'] | sum }}
        release.md:1:20: `sum` takes numbers, and was given a text; write `| map('float')` before it
    {{ vars['items'] | map }}
        release.md:1:20: `map`: filter name is required
    {{ vars.version | attr('x') }}
        release.md:1:19: the result of `attr` is undefined; write `| default('')` after it if it may be missing
    {{ 'x' | int }}
        release.md:1:10: `int` takes a number, and the text is not one; write a default, as `int(default=0)`
    {{ 5 | first }}
        release.md:1:8: `first`: cannot get first item from value
    {{ dict(1) }}
        release.md:1:4: `dict` does not take this argument
    {{ vars() }}
        release.md:1:4: `vars` is not a function
    {{ upper(vars.version) }}
        release.md:1:4: there is no function `upper`; write the filter, as `value | upper`
    {{ loop() }}
        release.md:1:4: there is no function `loop` here; there is `dict`, `namespace`, `range`, `skip`
    {{ vars.version.split(',') }}
        release.md:1:16: a text has no methods; use the filter: `| split`
    {% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}
        release.md:1:20: `a` is undefined; write `| default('')` after it if it may be missing
    {% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
        release.md:1:41: `m` takes fewer arguments
    {% for x in 5 %}{% endfor %}
        release.md:1:13: a number has no items; loop over a list or a mapping
    {{ vars.version * 60 }}
        release.md:1:4: `*` takes numbers, and the value before it is a text; write `| float` or `| int` after that value
    {{ 1 + vars.version }}
        release.md:1:4: `+` takes two numbers, two texts or two lists, and the value after it is a text; write `| float` or `| int` after that value, or join texts with `~`
    {{ now - 1 }}
        release.md:1:4: `-` takes numbers, and the value before it is a mapping; name the part that is meant, such as `now.day`
    {{ vars['items'] * 1.5 }}
        release.md:1:4: a list can be multiplied by a whole number only
    {{ vars['items'] * vars.version }}
        release.md:1:4: a list can be multiplied by a whole number only; write `| int` after the text
    {{ vars.x || 'y' }}
        release.md:1:12: unexpected `|`, expected identifier; write `or`, or `| default('…')` for what may be missing; RAW
    {{ vars.x && 'y' }}
        release.md:1:11: unexpected character; write `and`; RAW
    {{ !vars.x }}
        release.md:1:4: unexpected character; write `not`; RAW
    {% if vars.x = 1 %}{% endif %}
        release.md:1:14: unexpected `=`, expected end of block; write `==` to compare; RAW
    {{ vars.x ? 'a' : 'b' }}
        release.md:1:11: unexpected character; write `a if condition else b`; RAW
    {{ vars.x ?? 'a' }}
        release.md:1:11: unexpected character; write `or`, or `| default('…')` for what may be missing; RAW
    {{ vars.x == 'a' && 'b' }}
        release.md:1:14: unexpected end of input, expected end of variable block; write `and`; RAW
    {% if vars.x %}a{% elseif vars.y %}b{% endif %}
        release.md:1:20: unknown statement elseif; write `elif`; RAW
    {% if vars.x %}a{% else if vars.y %}b{% endif %}
        release.md:1:25: unexpected identifier, expected end of block; write `elif`; RAW
    {% if vars.x %}a
        release.md:1:16: unexpected end of input, expected end of block; end each `{% if %}` with `{% endif %}`, and each `{% for %}` with `{% endfor %}`; RAW
    {% if vars.x
        release.md:1:12: unexpected end of input, expected end of block; close the tag with `%}`; RAW
    {{ vars.version
        release.md:1:9: unexpected end of input, expected end of variable block; close the expression with `}}`; RAW
    {{ toJSON(vars) }}
        release.md:1:4: there is no function `toJSON`; write the filter, as `value | tojson`
    {{ contains(vars.version, '1') }}
        release.md:1:4: there is no function `contains`; write `'part' in value`
    {{ startsWith(vars.version, '1') }}
        release.md:1:4: there is no function `startsWith`; write `value is startingwith 'part'`
    {{ env.HOME }}
        release.md:1:4: `env` is undefined; a template does not have this context of Actions: pass the value in the input `vars`, as in `name: ${{ env.… }}`
    {{ strategy.job-index }}
        release.md:1:4: `strategy` is undefined; a template does not have this context of Actions: pass the value in the input `vars`, as in `name: ${{ strategy.… }}`
    {{ secrets.TOKEN }}
        release.md:1:4: `secrets` is undefined; a template has no secrets, because everyone who can see the task can read its prompt
    ");
    let error = tried("{{ inputs.x.split(',') }}", &json!({})).unwrap_err();
    assert!(error.contains("a value has no methods; use the filter: `| split`"), "{error}");
}

#[test]
fn environment_is_out_of_reach() {
    for source in
        ["{{ env.HOME }}", "{{ HOME }}", "{{ github.home }}", "{{ debug() }}", "{{ env('HOME') }}", "{{ self }}"]
    {
        let error = rendered(source).unwrap_err();
        assert!(!error.contains("/root"), "{source}: {error}");
    }
}

#[test]
fn values_print_as_in_actions() {
    let source = "{{ vars.urgent }}, {{ none }}, {{ '<a> & \"b\"' }}, {{ now.year }}";
    let expected = "false, , <a> & \"b\", 2026";
    for name in ["release.md", "release.html", "release.json", "release.yml", "release.xml"] {
        assert_eq!(rendered_as(name, source).as_deref(), Ok(expected), "{name}");
    }
    assert!(rendered("{{ now.second }}").unwrap_err().contains("`now` has `"));
}

#[test]
fn endless_template_is_stopped() {
    let source = "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}x";
    assert!(rendered(source).unwrap_err().contains("more than 10000000 instructions"), "{:?}", rendered(source));
}

#[test]
fn recursive_template_is_stopped() {
    for source in [
        "{% block b %}x{{ self.b() }}{% endblock %}",
        "{% block b %}{% set y = self.b() %}{{ y }}{% endblock %}",
        "{% macro m() %}x{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{{ caller() }}{% endmacro %}{% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro %}{{ n() }}",
        "{% set x = [1] %}{% for y in x recursive %}{{ loop(x) }}{% endfor %}",
        "{% for y in [1] recursive %}{% set z = loop([1]) %}{{ z }}{% endfor %}",
    ] {
        let error = rendered(source).unwrap_err();
        assert!(error.contains("more than 40 deep"), "{source}: {error}");
    }
}

#[test]
fn cycle_needs_values() {
    for call in ["loop.cycle()", "loop.cycle(*[])"] {
        let error = rendered(&format!("{{% for _ in [1] %}}{{{{ {call} }}}}{{% endfor %}}")).unwrap_err();
        assert!(error.starts_with("release.md:1:") && error.contains("`loop.cycle('a', 'b')`"), "{error}");
    }
    assert_eq!(rendered("{% for _ in [1, 2] %}{{ loop.cycle('a', 'b') }}{% endfor %}").as_deref(), Ok("ab"));
}

#[test]
fn empty_and_large_prompts_are_refused() {
    assert!(rendered(" {% if vars.urgent %}x{% endif %}\n").unwrap_err().contains("the prompt is empty"));
    let error = rendered("{% for _ in range(90000) %}0123456789{% endfor %}").unwrap_err();
    assert!(error.contains("900000 bytes"), "{error}");
    assert!(rendered(&"x".repeat(MAX_BYTES + 1)).unwrap_err().contains("the template has"));
}

#[test]
fn undefined_is_named_behind_filters_and_operators() {
    for source in [
        "{{ vars.versoin }}",
        "{{ vars['versoin'] }}",
        "{{ vars.versoin | upper }}",
        "{{ vars.versoin | date('%Y') }}",
        "{{ vars.versoin + 1 }}",
        "{{ 2 * vars.versoin }}",
        "{{ 'a' ~ vars.versoin }}",
        "{{ vars.versoin[:3] }}",
        "{{ vars.versoin[0] }}",
        "{{ -vars.versoin }}",
        "{{ vars.versoin - 1 }}",
        "{{ 'a' in vars.versoin }}",
        "{{ vars.versoin == 1 }}",
        "{% for x in vars.versoin %}{% endfor %}",
        "{% if vars.versoin %}{% endif %}",
        "{{ ['a'] | join(vars.versoin) }}",
        "{{ vars.version is startingwith vars.versoin }}",
    ] {
        let error = rendered(source).unwrap_err();
        assert!(error.contains("did you mean `vars.version`?"), "{source}: {error}");
    }
}

#[test]
fn parts_of_now_are_numbers() {
    let source = "{{ now.day <= 31 }} {{ now.year + 1 }} {{ now.month }} {{ now.day }} {{ now.hour }} {{ now.minute }} \
                  {{ now.weekday }} {{ now.week }}";
    assert_eq!(rendered(source).unwrap(), "true 2027 11 20 21 51 5 47");
}

#[test]
fn null_is_empty_text() {
    for (source, text) in [
        ("{{ BODY }}", ""),
        ("{{ BODY | trim }}{{ BODY | upper }}{{ BODY | lower | title }}", ""),
        ("{{ BODY | replace('a', 'b') }}{{ BODY | indent(2) }}{{ BODY | string }}{{ BODY | e }}", ""),
        ("{{ BODY | length }}", "0"),
        ("{{ 'x' in BODY }} {{ 'x' not in BODY }}", "false true"),
        ("{{ BODY | default('none given') }}", "none given"),
        ("{{ BODY is startingwith '/x' }} {{ BODY is endingwith 'x' }}", "false false"),
        ("{{ 'a' ~ BODY ~ 'b' }}{{ BODY[:3] }}{{ BODY + 'c' }}", "abc"),
        ("{{ BODY | lines | join }}{{ BODY | split(',') | join }}{{ BODY | date('%Y') }}", ""),
        ("{{ ['a', BODY] | join('-') }}", "a-"),
        ("{{ [BODY] | map('trim') | join }}{{ BODY | items | list | length }}", "0"),
        ("{% for line in BODY %}{{ line }}{% endfor %}", ""),
        ("{% filter trim %}{{ BODY }}{% endfilter %}{{ BODY is none }}", "true"),
    ] {
        let source = format!("x {}", source.replace("BODY", "vars.nothing"));
        assert_eq!(rendered(&source).unwrap(), format!("x {text}"), "{source}");
    }
    assert_eq!(rendered("x {{ github.event.issue.body | trim }}").unwrap(), "x ");
    for (source, text) in [
        ("{{ 'abc' | replace('b', BODY) }}{{ '%s' | format(BODY) }}{{ BODY | pprint }}", "ac"),
        (
            "{{ [BODY] | join }}{{ [BODY] | first }}{{ BODY | first }}{{ BODY | last }}{{ BODY | min }}{{ BODY | max }}",
            "",
        ),
        ("{{ BODY | e }}{{ BODY | safe }}{{ BODY | list | join }}{{ BODY | reverse }}", ""),
        ("{{ BODY == '' }} {{ '' == BODY }} {{ BODY != '' }} {{ BODY != 'a' }}", "true true false true"),
        ("{{ BODY == none }} {{ BODY is none }} {{ BODY is not none }} {{ BODY is defined }}", "true true false true"),
        (
            "{{ BODY is string }} {{ BODY is eq('') }} {{ BODY in ['a', ''] }} {{ BODY in [none] }}",
            "true true true true",
        ),
        ("{{ '' == BODY == '' }} {{ BODY == 1 }} {{ 'x' ~ (BODY or 'y') }}", "true false xy"),
        ("{{ [BODY, 3, 1] | max }} {{ [BODY, 3, 1] | min }} {{ [BODY] | max }}", "3 1 "),
        ("{{ BODY | tojson }} {{ [BODY] | tojson }} {{ {'a': BODY} | tojson }}", "null [null] {\"a\": null}"),
        ("{{ BODY | int }} {{ BODY | bool }} {{ BODY | default('d', true) }} {{ BODY | d('d') }}", "0 false d d"),
        ("{{ ('' | e) is none }} {{ ('' | safe) | default('d') }}", "false "),
        ("{% set t = BODY %}{{ t is none }}{{ t }}", "true"),
        ("{% macro m(t) %}{{ t is none }}{{ t }}{% endmacro %}{{ m(BODY) }}", "true"),
    ] {
        let source = format!("x {}", source.replace("BODY", "vars.nothing"));
        assert_eq!(rendered(&source), Ok(format!("x {text}")), "{source}");
    }
    for source in [
        "{% if github.event.issue.body == '' and github.event.issue.body is none %}x{% endif %}",
        "{% set t = github.event.issue.body %}{% if t is none and t == '' %}x{% endif %}{{ t }}",
    ] {
        assert_eq!(rendered(source).as_deref(), Ok("x"), "{source}");
    }
}

#[test]
fn null_is_named_where_a_number_is_needed() {
    for source in [
        "{{ vars.nothing | abs }}",
        "{{ vars.nothing | round }}",
        "{{ -vars.nothing }}",
        "{{ vars.nothing + 1 }}",
        "{{ 1 - vars.nothing }}",
        "{{ vars.nothing / 2 }}",
        "{{ vars.nothing * 2 }}",
        "{{ [1] * vars.nothing }}",
        "{{ vars.nothing is odd }}",
        "{{ 4 is divisibleby(vars.nothing) }}",
        "{{ vars.nothing < 2 }}",
    ] {
        let error = rendered(source).unwrap_err();
        assert!(error.contains("null") && error.contains("`| default(0)`"), "{source}: {error}");
    }
    assert_eq!(rendered("{{ vars.nothing | default(0) + 1 }}").as_deref(), Ok("1"));
    let error = rendered("{{ github.event.issue.body.author.name }}").unwrap_err();
    assert!(error.contains("`github.event.issue.body` is null"), "{error}");
}

#[test]
fn hyphenated_names_are_explained() {
    for (source, remedy) in [
        ("{{ inputs.requested-by }}", "`inputs['requested-by']`"),
        ("{{ vars.version-next | upper }}", "`vars['version-next']`"),
        ("{{ node-version }}", "`vars['node-version']`"),
        ("{{ node-version.a.b-c }}", "`vars['node-version'].a['b-c']`"),
        ("{{ vars.x-y.z }}", "`vars['x-y'].z`"),
        ("{% for a in inputs.x.my-list.of %}{% endfor %}", "`inputs.x['my-list'].of`"),
    ] {
        let event = json!({"inputs": {"requested-by": "mona", "requested": "x", "x": {}}});
        let error = with_event("it.md", source, event).unwrap_err();
        assert!(error.contains(remedy), "{source}: {error}");
        assert!(!error.contains("did you mean"), "{source}: {error}");
    }
    let error = tried("{{ inputs.requested-by }}", &json!({})).unwrap_err();
    assert!(error.contains("`inputs['requested-by']`"), "{error}");
}

#[test]
fn braces_of_other_languages_have_a_remedy() {
    for source in [
        "{{ .Values.name }}",
        "{{ $x := 1 }}",
        "{{- range .Items }}a{{ end }}",
        "<p>{{ user.name }}</p>",
        "{{#each x}}",
        "{{ end }}",
        "{{/* a */}}",
        "a {# b",
        "date +{%Y}",
        "echo ${#files[@]} and later #}",
    ] {
        let error = rendered(source).unwrap_err();
        assert!(error.contains("`{% raw %}`"), "{source}: {error}");
    }
    let raw = "{% raw %}{{ .Values.name }} ${#x} ${{ y }}{% endraw %}";
    assert_eq!(rendered(raw).unwrap(), "{{ .Values.name }} ${#x} ${{ y }}");
}

#[test]
fn slices_are_those_of_python() {
    let event = json!({"commits": [], "three": [1, 2, 3]});
    for (source, text) in [
        ("{{ github.event.commits[::-1] | length }}", "0"),
        ("{{ github.event.three[::-1] | join }}", "321"),
        ("{{ [1, 2, 3][-1::-2] | join }} {{ [1, 2, 3][5:0:-1] | join }}", "31 32"),
        ("{{ 'abc'[::-1] }}{{ ''[::-1] }} {{ 'abc'[1:] }} {{ 'abc'[-2:] }} {{ 'abc'[:-1] }}", "cba bc bc ab"),
        ("{{ 'abc'[9:] }}{{ 'abc'[2:1] }}{{ (1, 2, 3)[1:] | join }}", "23"),
        ("{{ 'abc'[:99999999999:9223372036854775807] }}", "a"),
        ("{{ [1, 2][-9223372036854775807::-9223372036854775807] | join }}x", "x"),
    ] {
        let source = format!("x {source}").replace("github.event", "vars.e");
        let vars = json!({"e": event});
        let scope = Scope {
            context: &Context::default(),
            vars: vars.as_object(),
            target: &"octo/app".parse().unwrap(),
            entry: None,
            pull_request: None,
            now: Timestamp::UNIX_EPOCH,
            zone: &TimeZone::UTC,
            untrusted: Untrusted::Fence,
            samples: false,
        };
        let made = prompt(&Template { name: "it.md".to_owned(), source: source.clone() }, &scope);
        assert_eq!(made.unwrap(), format!("x {text}"), "{source}");
    }
}

#[test]
fn operators_do_what_they_did() {
    for (source, text) in [
        (
            "{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 2 ** 10 }} {{ -3 }} {{ 1.5 + 1 }}",
            "5.0 3 3 1024 -3 2.5",
        ),
        (
            "{{ 'a' + 'b' }} {{ 'ab' * 2 }} {{ 2 * 'ab' }} {{ ([1] + [2]) | join }} {{ ([1] * 3) | join }}",
            "ab abab abab 12 111",
        ),
        ("{{ vars.version ~ 1 ~ true ~ vars.nothing ~ 1.5 }}", "1.101True1.5"),
        ("{{ 1 in [1, 2] }} {{ 'b' in 'abc' }} {{ 'a' in {'a': 1} }} {{ 3 not in [1] }}", "true true true true"),
        ("{% for a, b in [(1, 2), (3, 4)] %}{{ a }}{{ b }}{{ ' ' if not loop.last }}{% else %}-{% endfor %}", "12 34"),
        ("{% for t in [[1, [2, [3]]]] recursive %}{{ t if t is number else loop(t) }}{% endfor %}", "123"),
        ("{% set n = namespace(x=1) %}{% for i in range(3) %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}", "4"),
        ("{% macro m(a, b='c') %}{{ a }}{{ b }}{% endmacro %}{{ m(*['x']) }}{{ m('y', b='z') }}", "xcyz"),
        ("{% set t %}{% if 1 < 2 < 3 %}yes{% else %}no{% endif %}{% endset %}{{ t | upper }}", "YES"),
        ("{{ 'a' if false else 'b' }}{{ true and 'c' }}{{ false or 'd' }}{{ {'k': 'v'}.k }}", "bcdv"),
        ("{{ [3, 1, 2] | sort | join(',') }} {{ ['a', 'b'] | map('upper') | list | tojson }}", "1,2,3 [\"A\", \"B\"]"),
        ("{{ '%s-%03d' | format('a', 7) }} {{ dict(a=1) | items | first | join }}", "a-007 a1"),
    ] {
        assert_eq!(rendered(&format!("x {source}")).unwrap(), format!("x {text}"), "{source}");
    }
    assert!(rendered("{{ 1 / 0 }}").is_ok_and(|text| text == "inf") || rendered("{{ 1 / 0 }}").is_err());
}

#[test]
fn growth_ends_as_an_error() {
    for source in [
        "{% set n = namespace(x='abc') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x='abc') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=['a']) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=['a']) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=1) %}{% for i in range(90000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=1) %}{% for i in range(90000) %}{% set n.x = {'a': n.x} %}{% endfor %}{{ n.x }}",
        "{% set n = namespace() %}{% set n.x = n %}{{ n }}",
        "{% set n = namespace() %}{% set n.x = [n] %}{{ n | tojson }}",
        "{% set n = namespace(x=[1]) %}{% for i in range(999) %}{% set n.x = n.x | map('string') %}{% endfor %}{{ n.x }}{{ 1 / 'a' }}",
        "{% set a = 'abcdefgh' * 400000 %}{% for i in range(9999) %}{% set b = a ~ i %}{% endfor %}x",
        "{{ 'a' * 100000000 }}",
        "{{ ('a' * 10000 * 10000) | length }}",
        "{{ (['a'] * 1000 * 1000 * 1000) | length }}",
        "{% set s = 'a' %}{{ s * 99999999 }}",
        "{{ '%999999999s' | format('a') }}",
        "{{ '%.999999999f' | format(1.5) }}",
        "{{ '%*s' | format(999999999, 'a') }}",
        "{{ ('%s' * 90000) | format(*(['a' * 4000] * 900)) }}",
        "{{ 'a\na' | indent(999999999) }}",
        "{{ 'a\na' | indent(width=999999999) }}",
        "{{ ('a' * 2000000) | replace('a', 'b' * 2000000) }}",
        "{{ ('a' * 2000000) | replace('', 'b' * 2000) }}",
        "{{ range(90000) | join('b' * 4000) }}",
        "{{ [1] | batch(999999999, 'x') | list | length }}",
        "{{ [1] | slice(999999999) | list | length }}",
        "{{ [1] | tojson(indent=999999999) }}",
        "{{ [1] | tojson(999999999) }}",
        "{{ ['a', 'b'] | map('indent', 999999999, true) | join }}",
        "{{ ['a'] | map('replace', '', 'b' * 2000000) | map('replace', '', 'b' * 2000000) | join }}",
        "{% macro m() %}{% for i in range(90000) %}0123456789{% endfor %}{% endmacro %}{% for i in range(90000) %}{% set x = m() %}{% endfor %}x",
        "{% set x %}{% for i in range(90000) %}{% for i in range(90000) %}0123456789012345678901234567890{% endfor %}{% endfor %}{% endset %}x",
    ] {
        let error = rendered(source).expect_err(source);
        assert!(error.starts_with("release.md:"), "{source}: {error}");
    }
}

#[test]
fn deep_templates_end_as_an_error() {
    for source in [
        format!("{{{{ 1{} }}}}", " + 1".repeat(30_000)),
        format!("{{{{ vars.version{} }}}}", " ~ vars.version".repeat(15_000)),
        format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(8_000)),
        format!("{{{{ vars.version{} }}}}", "|upper".repeat(30_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(30_000)),
        format!("{{{{ {}1{} }}}}", "[".repeat(30_000), "]".repeat(30_000)),
        format!("{}x{}", "{% if 1 %}".repeat(5_000), "{% endif %}".repeat(5_000)),
    ] {
        let error = rendered(&source).unwrap_err();
        assert!(error.starts_with("release.md"), "{error}");
    }
    // The deepest allowed nesting is safe as well.
    let deep = format!("{{{{ vars.version{} }}}}", " ~ vars.version".repeat(990));
    assert!(rendered(&deep).is_ok());
    let deep = format!("{{{{ vars.version{} }}}}", "|upper".repeat(1_900));
    assert!(rendered(&deep).is_ok());
    let deep = format!("{{% if 0 %}}{}{{% endif %}}x", "{% elif 1 %}".repeat(499));
    assert!(rendered(&deep).is_ok());
}

#[test]
fn text_of_an_event_cannot_be_a_format() {
    for source in [
        "{{ github.event.issue.title | format(1) }}",
        "{{ ('a' ~ github.event.issue.title) | format(1) }}",
        "{% set t = github.event.issue.title %}{{ t | format }}",
        "{% filter format(1) %}{{ github.event.issue.title }}{% endfilter %}",
        "{% set t | format(1) %}{{ github.event.issue.title }}{% endset %}{{ t }}",
        "{{ [github.event.issue.title] | map('format', 1) | join }}",
    ] {
        let error = rendered(source).unwrap_err();
        assert!(error.contains("cannot be a format"), "{source}: {error}");
    }
    assert!(rendered("{{ '%s' | format(github.event.issue.title) }}").is_ok());
}

#[test]
fn tried_templates_raise_no_false_alarm() {
    let vars = json!({"list": crate::prompt::sample::placeholder(), "known": {"a": 1}, "count": 1});
    for source in [
        "{{ inputs.version | split('.') | first }}",
        "{{ github.event.issue.number + 1 }}",
        "{{ 2 * github.run_number - 1 }}{{ -github.event.a // 2 % 3 ** 2 / 4 }}",
        "{% if github.event.comment.body is startingwith '/x' %}a{% endif %}b",
        "{% if 'x' in github.event.comment.body and github.event.a > 3 %}a{% endif %}b",
        "{% for key, value in vars.list | items %}{{ key }}{{ value.name | upper }}{% endfor %}b",
        "{% for one in vars.list %}{{ one.name }}{% endfor %}{{ vars.list['a'].b[0] | join(', ') }}",
        "{{ vars.known[inputs.key] }}{{ github.event.a[1:3] }}{{ range(inputs.count) | length }}",
        "{{ inputs.when | date('%Y') }}{{ inputs.x | int }}{{ inputs.x | dictsort | tojson }}b",
        "{{ '%05d' | format(inputs.x) }}{{ inputs.x | round(2) }}{{ inputs.x | sum }}b",
    ] {
        assert!(tried(source, &vars).is_ok(), "{source}: {:?}", tried(source, &vars));
    }
    for source in ["{{ vars.known.b }}", "{{ vars.lst }}", "{{ now | date('%!') }}", "{{ inputs.x | nofilter }}"] {
        assert!(tried(source, &vars).is_err(), "{source}");
    }
}

#[test]
fn texts_and_numbers_have_no_order() {
    for source in [
        "{{ vars.version > 1 }}",
        "{{ 1 <= vars.version }}",
        "{{ 1 < vars.version < 3 }}",
        "{{ 0 < 1 < vars.version }}",
        "{{ vars.version == 1.1 }}",
        "{{ 1 != vars.version }}",
        "{{ 1 == 1 == vars.version }}",
        "{{ vars.version in [1, 2] }}",
        "{{ vars.version not in [1, 2] }}",
        "{% set n = 3 %}{{ n in '12345' }}",
        "{{ 3 not in vars.version }}",
        "{{ 3 is in vars.version }}",
        "{{ vars.version is odd }}",
        "{{ vars.version is not even }}",
        "{{ 4 is divisibleby(vars.version) }}",
        "{{ ['4'] | select('even') | list }}",
        "{{ vars.version * 60 }}",
        "{{ 60 * vars.version }}",
        "{{ vars.version * vars.version }}",
        "{{ vars.version + 1 }}",
        "{{ 1 - vars.version }}",
        "{{ -vars.version }}",
        "{{ vars.version / 2 }}",
        "{{ 2 // vars.version }}",
        "{{ vars.version % 2 }}",
        "{{ 2 ** vars.version }}",
        "{{ vars.version | abs }}",
        "{{ vars.version | round }}",
        "{{ vars.version in {1: 2} }}",
        "{{ [vars.version] == [1] }}",
        "{{ vars.version is eq(1) }}",
        "{{ [vars.version] | select('==', 1) | list | length }}",
        "{{ [vars.version, 3] | max }}",
        "{{ [3, vars.version] | min }}",
        "{{ [3, vars.version] | sort | join }}",
        "{{ [{'a': {'b': 3}}, {'a': {'b': vars.version}}] | sort(attribute='a.b') | length }}",
    ] {
        let error = rendered(source).unwrap_err();
        let has_remedy = error.contains("`| int` or `| float`") || error.contains("`| float` or `| int`");
        assert!(has_remedy, "{source}: {error}");
    }
    assert_eq!(rendered("{{ vars.version | float * 60 }}").as_deref(), Ok("66.0"));
    for source in ["{{ vars.urgent in 'false' }}", "{{ now in vars.version }}", "{{ vars['items'] in \"['a', 'b']\" }}"]
    {
        assert!(rendered(source).is_err(), "{source}");
    }
    let error = rendered("{{ vars.urgent == 'false' }}").unwrap_err();
    assert!(error.contains("without quotes"), "{error}");
    assert_eq!(
        rendered("{{ 1 == 1.0 }} {{ 'a' in ['a', 1] }} {{ [1, 2] == [1, 2] }} {{ 1 == 1 == 1 }} {{ 1 in [1] }}")
            .unwrap(),
        "true true true true true"
    );
    assert_eq!(rendered("{{ 'a' == 'a' != 'b' in ['b'] not in [[]] }} {{ '1' in '12' }}").unwrap(), "true true");
    assert_eq!(
        rendered("{{ 1 < vars.version | float < 3 }} {{ 'a' < 'b' <= 'b' }} {{ 3 > 2 >= 2 > 1 }}").unwrap(),
        "true true true"
    );
    assert!(tried("{{ 1 < inputs.x < 3 }}{{ inputs.x >= 2 }}", &json!({})).is_ok());
}

#[test]
fn filter_takes_keyword_arguments() {
    for (source, prompt) in [
        ("{{ [3, 1, 2] | sort(reverse=true) | join(',') }}", "3,2,1"),
        ("{{ 'x' | int(default=7) }}", "7"),
        ("{{ {'b': 1, 'a': 2} | dictsort(by='value') | first | first }}", "b"),
    ] {
        assert_eq!(rendered(source).as_deref(), Ok(prompt), "{source}");
    }
    let undefined = rendered("{{ [3, 1] | sort(reverse=vars.revers) }}").unwrap_err();
    assert!(undefined.contains("`vars.revers` is undefined"), "{undefined}");
}

#[test]
fn skip_ends_a_template_with_its_reason() {
    for source in [
        "a {{ skip('nothing to do') }} b",
        "{% if vars.version == '1.10' %}{{ skip(' nothing to do ') }}{% endif %}a",
        "{% macro m() %}{{ skip('nothing to do') }}{% endmacro %}{% set x = m() %}a",
        "{% do skip('nothing ' ~ 'to do') %}a",
        "{{ skip('nothing to do') | default('x') }}",
        "{{ skip('nothing to do') if github.event.issue.title else 'a' }}",
    ] {
        assert_eq!(rendered(source), Err("skipped: nothing to do".to_owned()), "{source}");
    }
    assert_eq!(rendered("{% if false %}{{ skip('x') }}{% endif %}a").as_deref(), Ok("a"));
    assert_eq!(
        rendered(&format!("{{{{ skip('{}') }}}}", "x".repeat(999))).unwrap_err().chars().count(),
        9 + MAX_REASON
    );
}

#[test]
fn skip_needs_a_reason_of_the_template() {
    for source in ["{{ skip() }}", "{{ skip('') }}", "{{ skip(1) }}", "{{ skip('a', 'b') }}"] {
        assert!(rendered(source).unwrap_err().contains("`skip` takes the reason as a text"), "{source}");
    }
    for source in [
        "{{ skip(github.event.issue.title) }}",
        "{% set t = 'x' ~ github.event.issue.title %}{{ skip('a ' ~ t) }}",
        "{% do skip(github.event.issue.title) %}",
        "{% macro m() %}{{ github.event.issue.title }}{% endmacro %}{{ skip(m()) }}",
    ] {
        assert!(rendered(source).unwrap_err().contains("the reason of `skip` cannot have text"), "{source}");
    }
}

#[test]
fn skip_does_not_end_a_trial() {
    let source =
        "{% if github.event.comment.body is startingwith '/x' %}{{ skip('no command') }}{% endif %}{{ vars.typo }}";
    assert!(tried(source, &json!({})).unwrap_err().contains("`vars.typo` is undefined"));
    assert_eq!(tried("{% if inputs.a %}{{ skip('no command') }}{% endif %}", &json!({})).as_deref(), Ok("no command"));
}

#[test]
fn times_move_by_the_calendar() {
    for (source, text) in [
        ("{{ now | add(days=-7) }}", "2026-11-13T21:51:09Z"),
        ("{{ (now | add(days=-7)).week }} {{ now | add(weeks=1) | date('%F') }}", "46 2026-11-27"),
        (
            "{{ now | add(months=3, days=1) | date('%F') }} {{ now | add(years=-1) | date('%F') }}",
            "2027-02-21 2025-11-20",
        ),
        (
            "{{ now | add(minutes=-1, hours=3) }} {{ now | add(days=-1, months=1) }}",
            "2026-11-21T00:50:09Z 2026-12-19T21:51:09Z",
        ),
        ("{{ github.event.issue.created_at | add(days=14) | date('%F') }}", "2026-11-16"),
        ("x{{ vars.nothing | add(days=1) | date('%F') }}", "x"),
        ("{% if now | add(days=-7) %}{{ now.day <= 7 and now.weekday == 1 }}{% endif %}", "false"),
    ] {
        assert_eq!(rendered(source).as_deref(), Ok(text), "{source}");
    }
    for (source, part) in [
        ("{{ now | add(days='a') }}", "`add` takes whole numbers, and `days` is `'a'`"),
        ("{{ now | add() }}", "`add` takes `years`, `months`, `weeks`, `days`, `hours`, `minutes`, not `nothing`"),
        ("{{ now | add(day=1) }}", "`add` takes `years`, `months`, `weeks`, `days`, `hours`, `minutes`, not `day`"),
        ("{{ now | add(years=99999) }}", "`years=99999` leads to no time"),
        ("{{ now | add(years=9000) }}", "`years=9000` leads to no time"),
        ("{{ vars.version | add(days=1) }}", "`add` takes `now` or a text such as"),
        ("{{ vars.versoin | add(days=1) }}", "did you mean `vars.version`?"),
        ("{{ now | date('%F', 'Mars/Base') }}", "the time zone `Mars/Base` is not a time zone"),
        ("{{ now | date('%F', '../passwd') }}", "is not the name of a time zone"),
    ] {
        let error = rendered(source).unwrap_err();
        assert!(error.contains(part), "{source}: {error}");
    }
    assert_eq!(tried("a{{ now | add(days=inputs.days) | date('%F') }}", &json!({})).as_deref(), Ok("a2026-11-20"));
}

#[test]
fn mappings_are_compared_with_nothing_else() {
    for source in [
        "{{ now > '2026-01-01' }}",
        "{{ '2026-01-01' <= now }}",
        "{{ now == 5 }}",
        "{{ github.event.issue == true }}",
        "{{ 'bug' in [github.event.issue] }}",
        "{{ [now] == ['2026-01-01'] }}",
    ] {
        let error = rendered(source).unwrap_err();
        assert!(error.contains("compares a mapping with a text, a number or a boolean"), "{source}: {error}");
    }
    for source in ["{{ now == now }}", "{{ now.date > '2026-01-01' }}", "{{ 'issue' in github.event }}"] {
        assert_eq!(rendered(source).as_deref(), Ok("true"), "{source}");
    }
}

#[test]
fn time_zone_decides_the_day() {
    let zone = time_zone("Pacific/Auckland").unwrap();
    let (context, target) = (Context::default(), "octo/app".parse().unwrap());
    let vars = json!({"t": "2026-07-01T12:00:00Z"});
    let scope = Scope {
        context: &context,
        vars: vars.as_object(),
        target: &target,
        entry: None,
        pull_request: None,
        now: "2026-11-20T21:51:09Z".parse().unwrap(),
        zone: &zone,
        untrusted: Untrusted::Fence,
        samples: false,
    };
    for (source, text) in [
        ("{{ now }} {{ now.day }} {{ now.weekday }} {{ now.time }}", "2026-11-21T10:51:09+13:00 21 6 10:51"),
        ("{{ now | date('%F %H:%M %Z') }} {{ now | date('%F %H', 'UTC') }}", "2026-11-21 10:51 NZDT 2026-11-20 21"),
        ("{{ vars.t | date('%F %R') }} {{ vars.t | date('%R', 'Europe/Berlin') }}", "2026-07-02 00:00 14:00"),
        // A day of the calendar has 25 hours where the clock is put back.
        ("{{ vars.t | add(months=9, days=4) | date('%F %R %z') }}", "2027-04-06 00:00 +1200"),
    ] {
        let template = Template { name: "it.md".to_owned(), source: source.to_owned() };
        assert_eq!(prompt(&template, &scope).as_deref(), Ok(text), "{source}");
    }
}
