//! Security groups and their rules (Neutron).

use serde_json::{Value, json};

use super::{Cloud, CloudError, Filter, RuleSpec, SecurityGroup, SecurityGroupRule, Service};

const NETWORK: Service = Service::Network;

impl Cloud {
    /// With their rules.
    pub async fn list_security_groups(
        &self,
        filter: &Filter,
    ) -> Result<Vec<SecurityGroup>, CloudError> {
        self.neutron(
            "listing security groups",
            "security-groups",
            &self.ours(filter),
        )
        .await
    }

    /// With the rules Neutron puts in by itself (all egress).
    pub async fn create_security_group(
        &self,
        name: &str,
        description: &str,
    ) -> Result<SecurityGroup, CloudError> {
        self.create(
            &format!("creating security group {name}"),
            NETWORK,
            &["security-groups"],
            "security_group",
            json!({ "security_group": { "name": name, "description": description } }),
        )
        .await
    }

    pub async fn delete_security_group(&self, id: &str) -> Result<(), CloudError> {
        self.remove(
            &format!("deleting security group {id}"),
            NETWORK,
            &["security-groups", id],
        )
        .await
    }

    /// Adds rules in one call: all or none.
    pub async fn create_security_group_rules(
        &self,
        group_id: &str,
        rules: &[RuleSpec],
    ) -> Result<Vec<SecurityGroupRule>, CloudError> {
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        let documents: Vec<Value> = rules
            .iter()
            .map(|rule| {
                let mut rule = json!(rule);
                rule["security_group_id"] = json!(group_id);
                rule
            })
            .collect();
        self.create(
            &format!("adding {} rules to security group {group_id}", rules.len()),
            NETWORK,
            &["security-group-rules"],
            "security_group_rules",
            json!({ "security_group_rules": documents }),
        )
        .await
    }

    pub async fn delete_security_group_rule(&self, id: &str) -> Result<(), CloudError> {
        self.remove(
            &format!("deleting security group rule {id}"),
            NETWORK,
            &["security-group-rules", id],
        )
        .await
    }
}
