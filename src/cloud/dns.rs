//! DNS (Designate). Its documents have no envelope.

use serde_json::json;

use super::{Cloud, CloudError, Filter, NewRecordset, Recordset, Service, Zone};

const DNS: Service = Service::Dns;

impl Cloud {
    /// The zones of the project.
    pub async fn list_zones(&self) -> Result<Vec<Zone>, CloudError> {
        self.pages(
            "listing DNS zones",
            DNS,
            &["zones"],
            "zones",
            &Filter::all(),
        )
        .await
    }

    pub async fn list_recordsets(
        &self,
        zone_id: &str,
        filter: &Filter,
    ) -> Result<Vec<Recordset>, CloudError> {
        self.pages(
            &format!("listing records of DNS zone {zone_id}"),
            DNS,
            &["zones", zone_id, "recordsets"],
            "recordsets",
            filter,
        )
        .await
    }

    /// The records of all zones of the project.
    pub async fn list_all_recordsets(&self, filter: &Filter) -> Result<Vec<Recordset>, CloudError> {
        self.pages(
            "listing DNS records",
            DNS,
            &["recordsets"],
            "recordsets",
            filter,
        )
        .await
    }

    pub async fn create_recordset(
        &self,
        zone_id: &str,
        recordset: &NewRecordset,
    ) -> Result<Recordset, CloudError> {
        let mut body = json!({
            "name": recordset.name,
            "type": recordset.kind,
            "records": recordset.records,
            "description": recordset.description,
        });
        if let Some(ttl) = recordset.ttl {
            body["ttl"] = json!(ttl);
        }
        self.create(
            &format!("creating DNS record {} {}", recordset.kind, recordset.name),
            DNS,
            &["zones", zone_id, "recordsets"],
            "",
            body,
        )
        .await
    }

    /// Replaces the records (the addresses).
    pub async fn set_records(
        &self,
        zone_id: &str,
        id: &str,
        records: &[String],
    ) -> Result<Recordset, CloudError> {
        let act = format!("changing DNS record {id}");
        let answer = self
            .put(
                &act,
                DNS,
                &["zones", zone_id, "recordsets", id],
                json!({ "records": records }),
            )
            .await?;
        self.record(&act, &answer, "")
    }

    pub async fn delete_recordset(&self, zone_id: &str, id: &str) -> Result<(), CloudError> {
        self.remove(
            &format!("deleting DNS record {id}"),
            DNS,
            &["zones", zone_id, "recordsets", id],
        )
        .await
    }
}
