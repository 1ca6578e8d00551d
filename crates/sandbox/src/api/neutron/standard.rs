//! What every Neutron resource has: id, owner, name, description, tags, times.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::NeutronError;
use crate::api::{Caller, Fields, clock, id};

#[derive(Debug, Clone)]
pub struct Standard {
    pub id: String,
    pub project_id: String,
    pub name: String,
    pub description: String,
    pub tags: Vec<String>,
    pub created: OffsetDateTime,
    pub updated: OffsetDateTime,
    pub revision: u32,
}

impl Standard {
    /// A new one, from the body of its create.
    pub fn new(project_id: &str, body: &Value) -> Self {
        let now = clock::now();
        Self {
            id: id::uuid(),
            project_id: project_id.to_owned(),
            name: body.text("name").unwrap_or_default(),
            description: body.text("description").unwrap_or_default(),
            tags: body.texts("tags").unwrap_or_default(),
            created: now,
            updated: now,
            revision: 1,
        }
    }

    /// Takes name and description from the body of an update.
    pub fn update(&mut self, body: &Value) {
        if let Some(name) = body.text("name") {
            self.name = name;
        }
        if let Some(description) = body.text("description") {
            self.description = description;
        }
        self.touch();
    }

    pub fn touch(&mut self) {
        self.updated = clock::now();
        self.revision += 1;
    }

    /// Adds these fields to a resource's own.
    pub fn onto(&self, mut view: Value) -> Value {
        view["id"] = json!(self.id);
        view["project_id"] = json!(self.project_id);
        view["tenant_id"] = json!(self.project_id);
        view["name"] = json!(self.name);
        view["description"] = json!(self.description);
        view["tags"] = json!(self.tags);
        view["created_at"] = json!(clock::seconds(self.created));
        view["updated_at"] = json!(clock::seconds(self.updated));
        view["revision_number"] = json!(self.revision);
        view
    }
}

/// A kind of resource, as far as they are all alike.
pub trait Resource {
    fn standard(&self) -> &Standard;
    fn standard_mut(&mut self) -> &mut Standard;
    /// Neutron's 404 for one.
    fn not_found(id: &str) -> NeutronError;
    /// The policy that keeps others from changing it: `network`.
    const POLICY: &'static str;
    /// Whether a project that does not own it sees it.
    fn shared(&self) -> bool {
        false
    }

    fn id(&self) -> &str {
        &self.standard().id
    }

    fn visible(&self, caller: &Caller) -> bool {
        caller.owns(&self.standard().project_id) || self.shared()
    }
}

/// Finds one the caller sees.
pub fn get<'a, R: Resource>(
    items: &'a [R],
    caller: &Caller,
    id: &str,
) -> Result<&'a R, NeutronError> {
    items
        .iter()
        .find(|r| r.id() == id && r.visible(caller))
        .ok_or_else(|| R::not_found(id))
}

/// Finds one the caller may change.
pub fn get_mut<'a, R: Resource>(
    items: &'a mut [R],
    caller: &Caller,
    id: &str,
    verb: &str,
) -> Result<&'a mut R, NeutronError> {
    let found = items
        .iter_mut()
        .find(|r| r.id() == id && r.visible(caller))
        .ok_or_else(|| R::not_found(id))?;
    if caller.owns(&found.standard().project_id) {
        Ok(found)
    } else {
        Err(NeutronError::policy(&format!("{verb}_{}", R::POLICY)))
    }
}
