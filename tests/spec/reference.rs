//! `docs/spec.md`: the fields of `hub.yaml`, written from the schema so that it cannot be old.

use std::fmt::Write as _;
use std::fs;

use hubctl::spec;
use serde_json::Value as Json;

const HEAD: &str = "\
# hub.yaml

One file says what a deployment is. `hubctl init` writes a commented one from what your cloud offers, `hubctl validate`
checks it without contacting anything, and every command that takes it checks it first. Examples to copy are in
[`examples/`](../examples).

```yaml
# yaml-language-server: $schema=hub.schema.json
name: class
limits:
  seats: 30
```

Only `name` must be given.

## What holds

Four layers, the later over the earlier:

1. the defaults below,
2. the profile that `profile` names: a document of the same shape, one set of choices (`hubctl profiles` lists them; a
   path such as `./physics.yaml` is a profile of your own),
3. `hub.yaml`,
4. `--set path=value` on the command line, as often as needed: `--set limits.seats=30`,
   `--set access.ssh[0]=192.0.2.0/24`, `--set 'hub.admins=[ada, grace]'`.

Groups are laid over field by field; lists are replaced as a whole. A field with nothing behind its colon says nothing.
`null` brings back the default, whatever the layers below say: `--set volume=null`.

Paths of files start beside the file that says them, on the command line where it runs; `~/` is your home.

## What is refused

Unknown fields, wrong types, values that cannot be and combinations that cannot be are all reported at once, before
anything is contacted:

```
";

const MIDDLE: &str = "\
```

An editor that knows YAML language servers shows most of this while you type, and completes fields and values: the first
line of the example above tells it where the [schema](hub.schema.json) is (`hubctl schema >hub.schema.json`).

## Fields

";

/// A teacher's first try, and what is said of it.
fn refused() -> String {
    let text = "name: class\nserver:\n  flavour: m1.large\nlimits:\n  seats: thirty\ntls:\n  kind: self_signed\nhub:\n  version: 6.10\n";
    let document = spec::Document::new("hub.yaml", text, "");
    format!("{}\n", spec::load(&document, None, &[]).unwrap_err())
}

fn resolved<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    if let Some(target) = schema["$ref"].as_str() {
        return resolved(root, root.pointer(&target[1..]).unwrap());
    }
    match schema["anyOf"].as_array() {
        Some(any) => resolved(root, any.iter().find(|one| one["type"] != "null").unwrap()),
        None => schema,
    }
}

fn kind(root: &Json, schema: &Json) -> String {
    let here = resolved(root, schema);
    if let Some(choices) = here["oneOf"].as_array() {
        let words: Vec<String> = choices
            .iter()
            .map(|one| format!("`{}`", one["const"].as_str().unwrap()))
            .collect();
        return words.join(" or ");
    }
    let name = match &here["type"] {
        Json::Array(kinds) => kinds[0].as_str().unwrap(),
        kind => kind.as_str().unwrap_or_default(),
    };
    let range = match (here["minimum"].as_f64(), here["maximum"].as_f64()) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        _ => String::new(),
    };
    match name {
        "array" => format!("list of: {}", kind(root, &here["items"])),
        "integer" => format!("whole number{range}"),
        "number" => format!("number{range}"),
        "boolean" => "`true` or `false`".to_owned(),
        _ => match here["examples"][0].as_str() {
            Some(example) => format!("text such as `{example}`"),
            None => "text".to_owned(),
        },
    }
}

fn fields(root: &Json, group: &Json, above: &str, out: &mut String) {
    let mut groups = Vec::new();
    let _ = writeln!(
        out,
        "| field | what it takes | default | |\n|---|---|---|---|"
    );
    for (name, field) in group["properties"].as_object().unwrap() {
        let here = resolved(root, field);
        let path = format!("{above}{name}");
        let description = field["description"]
            .as_str()
            .unwrap()
            .replace('\n', " ")
            .replace('|', "\\|");
        if here["properties"].is_object() {
            groups.push((path, description, here));
            continue;
        }
        let mut description = description;
        for choice in here["oneOf"].as_array().into_iter().flatten() {
            let (word, what) = (
                choice["const"].as_str().unwrap(),
                choice["description"].as_str().unwrap(),
            );
            let _ = write!(description, " `{word}`: {what}");
        }
        let default = match &field["default"] {
            Json::Null => String::new(),
            Json::Array(items) if items.is_empty() => String::new(),
            Json::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let takes = kind(root, field).replace('|', "\\|");
        // A row of a table is a line.
        let description = description.replace('\n', " ");
        let _ = writeln!(out, "| `{path}` | {takes} | {default} | {description} |");
    }
    for (path, description, here) in groups {
        let _ = writeln!(out, "\n### `{path}`\n\n{description}\n");
        fields(root, here, &format!("{path}."), out);
    }
}

#[test]
fn the_reference_is_of_these_fields() {
    let schema = spec::schema();
    let mut text = format!("{HEAD}{}{MIDDLE}", refused());
    fields(&schema, &schema, "", &mut text);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/spec.md");
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, &text).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == text,
        "docs/spec.md is old: BLESS=1 cargo test --test spec"
    );
}
