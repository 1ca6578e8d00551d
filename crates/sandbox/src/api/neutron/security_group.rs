//! Security groups.

use serde_json::{Value, json};

use super::collection::Collection;
use super::rule::GroupRule;
use super::standard::{Resource, Standard};
use super::{Net, NeutronError, quota};
use crate::api::{Caller, State};

#[derive(Debug, Clone)]
pub struct Group {
    pub std: Standard,
}

impl Resource for Group {
    const POLICY: &'static str = "security_group";

    fn standard(&self) -> &Standard {
        &self.std
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.std
    }

    fn not_found(id: &str) -> NeutronError {
        NeutronError::not_found(
            "SecurityGroupNotFound",
            format!("Security group {id} does not exist"),
        )
    }
}

impl Group {
    pub fn json(&self, net: &Net) -> Value {
        let rules: Vec<Value> = net
            .rules
            .iter()
            .filter(|r| r.group_id == self.std.id)
            .map(GroupRule::json)
            .collect();
        self.std
            .onto(json!({"security_group_rules": rules, "stateful": true, "shared": false}))
    }
}

impl Net {
    /// The id of a project's `default` group, which is made when it is first needed.
    pub fn default_group(&mut self, project_id: &str) -> String {
        let mine = |g: &&Group| g.std.project_id == project_id && g.std.name == "default";
        if let Some(group) = self.groups.iter().find(mine) {
            return group.std.id.clone();
        }
        let body = json!({"name": "default", "description": "Default security group"});
        let group = Group {
            std: Standard::new(project_id, &body),
        };
        let id = group.std.id.clone();
        self.groups.push(group);
        self.rules.extend(GroupRule::egress(project_id, &id));
        self.rules
            .extend(GroupRule::among_themselves(project_id, &id));
        id
    }
}

impl Collection for Group {
    const PATH: &'static str = "security-groups";

    fn all(net: &Net) -> &Vec<Self> {
        &net.groups
    }

    fn all_mut(net: &mut Net) -> &mut Vec<Self> {
        &mut net.groups
    }

    fn view(&self, net: &Net) -> Value {
        self.json(net)
    }

    fn before_list(net: &mut Net, caller: &Caller) {
        net.default_group(&caller.project_id);
    }

    fn create(net: &mut Net, caller: &Caller, body: &Value) -> Result<Value, NeutronError> {
        net.default_group(&caller.project_id);
        let group = Self {
            std: Standard::new(&caller.project_id, body),
        };
        if group.std.name == "default" {
            return Err(NeutronError::conflict(
                "SecurityGroupDefaultAlreadyExists",
                "Default security group already exists.",
            ));
        }
        quota::check(net, "security_group", &caller.project_id)?;
        net.rules
            .extend(GroupRule::egress(&caller.project_id, &group.std.id));
        let view = group.json(net);
        net.groups.push(group);
        Ok(view)
    }

    fn update(&mut self, _: &Net, _: &Caller, body: &Value) -> Result<(), NeutronError> {
        let renames = body["name"].as_str().is_some_and(|name| name != "default");
        if self.std.name == "default" && renames {
            return Err(NeutronError::conflict(
                "SecurityGroupCannotUpdateDefault",
                "Updating default security group not allowed.",
            ));
        }
        Ok(())
    }

    fn may_go(&self, net: &Net, caller: &Caller) -> Result<(), NeutronError> {
        let id = &self.std.id;
        if net.ports.iter().any(|p| p.security_groups.contains(id)) {
            return Err(NeutronError::conflict(
                "SecurityGroupInUse",
                format!("Security Group {id} in use."),
            ));
        }
        if self.std.name == "default" && !caller.admin {
            return Err(NeutronError::conflict(
                "SecurityGroupCannotRemoveDefault",
                "Insufficient rights for removing default security group.",
            ));
        }
        Ok(())
    }

    fn remove(state: &mut State, id: &str) {
        let net = &mut state.network;
        // Rules elsewhere that name it as their remote go too, as Neutron's foreign key has it.
        net.rules
            .retain(|r| r.group_id != id && r.remote_group_id.as_deref() != Some(id));
        net.groups.retain(|g| g.std.id != id);
    }
}
