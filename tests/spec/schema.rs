//! The JSON Schema that editors complete from.

use std::fs;

use hubctl::spec;
use serde_json::Value as Json;

/// Every schema below `schema`, with its path.
fn walk<'a>(path: &str, schema: &'a Json, found: &mut Vec<(String, &'a Json)>) {
    found.push((path.to_owned(), schema));
    for group in ["properties", "$defs"] {
        for (name, below) in schema[group].as_object().into_iter().flatten() {
            walk(&format!("{path}/{group}/{name}"), below, found);
        }
    }
    if schema["items"].is_object() {
        walk(&format!("{path}/items"), &schema["items"], found);
    }
    for group in ["anyOf", "oneOf"] {
        for (index, below) in schema[group].as_array().into_iter().flatten().enumerate() {
            walk(&format!("{path}/{group}/{index}"), below, found);
        }
    }
}

#[test]
fn every_field_and_every_choice_has_a_description() {
    let schema = spec::schema();
    let mut found = Vec::new();
    walk("", &schema, &mut found);
    let described = |path: &str| {
        path.contains("/properties/") && !path.contains("/anyOf/") && !path.ends_with("/items")
    };
    let bare: Vec<&String> = found
        .iter()
        .filter(|(path, schema)| {
            described(path) || path.contains("/oneOf/") && schema["const"].is_string()
        })
        .filter(|(_, schema)| {
            schema["description"]
                .as_str()
                .is_none_or(|text| text.len() < 10)
        })
        .map(|(path, _)| path)
        .collect();
    assert!(bare.is_empty(), "{bare:?}");
    assert!(
        found.len() > 60,
        "only {} schemas were looked at",
        found.len()
    );
}

#[test]
fn the_name_alone_is_required_and_nothing_unknown_is_let_in() {
    let schema = spec::schema();
    assert_eq!(schema["required"], serde_json::json!(["name"]));
    let mut found = Vec::new();
    walk("", &schema, &mut found);
    for (path, schema) in found
        .iter()
        .filter(|(_, schema)| schema["properties"].is_object())
    {
        assert_eq!(schema["additionalProperties"], Json::Bool(false), "{path}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_text_has_a_pattern_or_is_a_name_of_the_clouds() {
    let schema = spec::schema();
    let mut found = Vec::new();
    walk("", &schema, &mut found);
    for (path, here) in found {
        if let Some(target) = here["$ref"].as_str() {
            assert!(
                schema.pointer(target.trim_start_matches('#')).is_some(),
                "{path}: {target}"
            );
        }
        if here["format"].is_string() && here["type"] == "string" {
            assert!(here["pattern"].is_string(), "{path}");
            assert!(here["examples"][0].is_string(), "{path}");
        }
    }
}

/// An editor must not complain of a group whose fields are all commented out: it is read as nothing said.
#[test]
fn whatever_may_be_left_out_may_be_empty() {
    let schema = spec::schema();
    let mut found = Vec::new();
    walk("", &schema, &mut found);
    let mut fields = 0;
    for (path, group) in found {
        let required = group["required"].as_array().cloned().unwrap_or_default();
        for (name, field) in group["properties"].as_object().into_iter().flatten() {
            let types = field["type"]
                .as_array()
                .is_some_and(|types| types.contains(&"null".into()));
            let choices = field["anyOf"]
                .as_array()
                .is_some_and(|any| any.iter().any(|one| one["type"] == "null"));
            assert_eq!(
                types || choices,
                !required.contains(&name.as_str().into()),
                "{path}/{name}"
            );
            fields += 1;
        }
    }
    assert!(fields > 40, "only {fields} fields");
}

/// Other programs read the schema too: the JSON it prints is the one in the repository, which editors can be given.
#[test]
fn the_schema_in_the_repository_is_the_one_that_is_printed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/hub.schema.json");
    let printed = serde_json::to_string_pretty(&spec::schema()).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, &printed).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == printed,
        "docs/hub.schema.json is old: BLESS=1 cargo test --test spec"
    );
}
