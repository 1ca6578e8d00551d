//! Who gets in: the key pair, the security group, the floating IP and the DNS records.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::desired::{FloatingIpWish, RecordWish};
use super::super::diff::current_floating_ip;
use super::super::plan::Work;
use super::super::survey::is_global;
use super::super::{InfraError, rule, tag};
use super::Run;
use crate::cloud::{
    Filter, FloatingIp, NewFloatingIp, NewRecordset, Port, RuleSpec, SecurityGroup, Taggable,
};

impl Run<'_> {
    pub(super) async fn key_pair(&self) -> Result<(), InfraError> {
        let Some((change, key)) = self.find(|work| match work {
            Work::ImportKeyPair { public_key } => Some(public_key.as_str()),
            _ => None,
        }) else {
            return Ok(());
        };
        self.step(change, async {
            self.made(
                async || self.cloud.create_key_pair(&self.name, key).await,
                async || self.cloud.find_key_pair(&self.name).await,
            )
            .await
            .map(drop)
        })
        .await
    }

    /// The id of the group, with exactly its rules.
    pub(super) async fn security_group(&self) -> Result<String, InfraError> {
        if let Some((change, wanted)) = self.find(|work| match work {
            Work::CreateGroup { rules } => Some(rules),
            _ => None,
        }) {
            return self
                .step(change, async {
                    let group = self
                        .made(
                            async || {
                                self.cloud
                                    .create_security_group(&self.name, &self.mark)
                                    .await
                            },
                            async || {
                                Ok(self
                                    .cloud
                                    .list_security_groups(&self.own)
                                    .await?
                                    .into_iter()
                                    .next())
                            },
                        )
                        .await?;
                    self.tag_later(Taggable::SecurityGroup, &group.id);
                    // Neutron puts its own rules in (all egress).
                    self.set_rules(&group, &wanted.iter().cloned().collect())
                        .await?;
                    Ok(group.id)
                })
                .await;
        }
        let Some(group) = self.inventory().security_groups.first() else {
            return Err(InfraError::Incomplete("security group"));
        };
        if let Some((change, _)) =
            self.find(|work| matches!(work, Work::ChangeRules { .. }).then_some(()))
        {
            self.step(change, self.set_rules(group, &self.desired().rules))
                .await?;
        }
        Ok(group.id.clone())
    }

    /// Adds what is missing first, then removes what is too much: nobody is cut off in between.
    async fn set_rules(
        &self,
        group: &SecurityGroup,
        wanted: &BTreeSet<RuleSpec>,
    ) -> Result<(), InfraError> {
        self.add_rules(group, wanted).await?;
        let mut seen = BTreeSet::new();
        let surplus = group.security_group_rules.iter().filter(|rule| {
            let normal = rule::normal(&rule.rule);
            !wanted.contains(&normal) || !seen.insert(normal)
        });
        let deletes = surplus.map(|rule| self.cloud.delete_security_group_rule(&rule.id));
        for result in futures::future::join_all(deletes).await {
            result?;
        }
        Ok(())
    }

    async fn add_rules(
        &self,
        group: &SecurityGroup,
        wanted: &BTreeSet<RuleSpec>,
    ) -> Result<(), InfraError> {
        let missing = |group: &SecurityGroup| -> Vec<RuleSpec> {
            let has: BTreeSet<RuleSpec> = group
                .security_group_rules
                .iter()
                .map(|rule| rule::normal(&rule.rule))
                .collect();
            wanted.difference(&has).cloned().collect()
        };
        let mut due = missing(group);
        let mut tries = 0;
        while !due.is_empty() {
            tries += 1;
            match self
                .cloud
                .create_security_group_rules(&group.id, &due)
                .await
            {
                Ok(_) => return Ok(()),
                // Some are there already: an answer was lost, or someone else is at it. Look, and add the rest.
                Err(error) if (error.is_lost() || error.is_conflict()) && tries < 3 => {
                    let id = Filter::all().and("id", &group.id);
                    let now = self.cloud.list_security_groups(&id).await?;
                    let Some(now) = now.iter().find(|now| now.id == group.id) else {
                        return Err(error.into());
                    };
                    due = missing(now);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The floating IP, held for the deployment; it leads nowhere yet, or where it led.
    pub(super) async fn floating_ip(&self) -> Result<Option<FloatingIp>, InfraError> {
        if let Some(change) = self.has(&Work::AllocateFloatingIp)
            && let FloatingIpWish::Own {
                external: Some(external),
                ..
            } = &self.desired().floating_ip
        {
            return self
                .step(change, async {
                    let wish = NewFloatingIp {
                        network_id: external.id.clone(),
                        description: self.mark.clone(),
                        ..NewFloatingIp::default()
                    };
                    let ip = self
                        .made(
                            async || self.cloud.create_floating_ip(&wish).await,
                            async || {
                                Ok(self
                                    .cloud
                                    .list_floating_ips(&self.own)
                                    .await?
                                    .into_iter()
                                    .next())
                            },
                        )
                        .await?;
                    self.tag_later(Taggable::FloatingIp, &ip.id);
                    Ok(Some(ip))
                })
                .await;
        }
        if let FloatingIpWish::Reused {
            id,
            description,
            tags,
            ..
        } = &self.desired().floating_ip
            && let Some(change) = self.has(&Work::ClaimFloatingIp { id: id.clone() })
        {
            return self
                .step(change, async {
                    let ip = self
                        .cloud
                        .set_floating_ip_description(id, description)
                        .await?;
                    self.tag_later_as(Taggable::FloatingIp, id, tags.clone());
                    Ok(Some(ip))
                })
                .await;
        }
        Ok(current_floating_ip(self.desired(), self.inventory()).cloned())
    }

    /// Lets the floating IP lead to the port.
    pub(super) async fn associate(
        &self,
        ip: Option<FloatingIp>,
        port: &Port,
    ) -> Result<Option<FloatingIp>, InfraError> {
        let Some(ip) = ip else {
            return Ok(None);
        };
        if ip.port_id.as_ref() == Some(&port.id) {
            return Ok(Some(ip));
        }
        let call = async {
            Ok(self
                .cloud
                .set_floating_ip_port(&ip.id, Some(&port.id))
                .await?)
        };
        let associated = match self.has(&Work::AssociateFloatingIp) {
            Some(change) => self.step(change, call).await?,
            None => call.await?,
        };
        Ok(Some(associated))
    }

    pub(super) async fn records(
        &self,
        port: &Port,
        ip: Option<&FloatingIp>,
    ) -> Result<(), InfraError> {
        let calls = self
            .plan
            .changes
            .iter()
            .filter_map(|change| match &change.work {
                Work::CreateRecord { record } => Some((change, *record, None)),
                Work::SetRecord { record, id } => Some((change, *record, Some(id))),
                _ => None,
            });
        let calls = calls.filter_map(|(change, index, id)| {
            let wish = self.desired().records.get(index)?;
            let address = address(wish, port, ip)?;
            Some(self.step(change, self.record(wish, address, id)))
        });
        for result in futures::future::join_all(calls).await {
            result?;
        }
        Ok(())
    }

    async fn record(
        &self,
        wish: &RecordWish,
        address: IpAddr,
        id: Option<&String>,
    ) -> Result<(), InfraError> {
        let records = vec![address.to_string()];
        if let Some(id) = id {
            self.cloud.set_records(&wish.zone_id, id, &records).await?;
            return Ok(());
        }
        let new = NewRecordset {
            name: wish.name.clone(),
            kind: wish.kind.to_owned(),
            records,
            ttl: Some(300),
            description: tag::description(&self.desired().name),
        };
        let find = async || {
            let named = Filter::name(&wish.name).and("type", wish.kind);
            let found = self.cloud.list_recordsets(&wish.zone_id, &named).await?;
            Ok(found
                .into_iter()
                .find(|set| set.name == wish.name && set.kind == wish.kind))
        };
        self.made(
            async || self.cloud.create_recordset(&wish.zone_id, &new).await,
            find,
        )
        .await
        .map(drop)
    }
}

fn address(wish: &RecordWish, port: &Port, ip: Option<&FloatingIp>) -> Option<IpAddr> {
    let fixed = || port.fixed_ips.iter().map(|fixed| fixed.ip_address);
    if wish.kind == "AAAA" {
        return fixed()
            .find(|address| matches!(address, IpAddr::V6(address) if is_global(*address)));
    }
    ip.map(|ip| IpAddr::V4(ip.floating_ip_address))
        .or_else(|| fixed().find(IpAddr::is_ipv4))
}
