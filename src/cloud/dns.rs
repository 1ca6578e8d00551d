//! DNS (Designate).

use super::{Cloud, CloudError, Filter, NewRecordset, Recordset, Zone};

impl Cloud {
    /// The zones of the project.
    pub async fn list_zones(&self) -> Result<Vec<Zone>, CloudError> {
        todo!()
    }

    pub async fn list_recordsets(
        &self,
        zone_id: &str,
        filter: &Filter,
    ) -> Result<Vec<Recordset>, CloudError> {
        let _ = (zone_id, filter);
        todo!()
    }

    pub async fn create_recordset(
        &self,
        zone_id: &str,
        recordset: &NewRecordset,
    ) -> Result<Recordset, CloudError> {
        let _ = (zone_id, recordset);
        todo!()
    }

    /// Replaces the records (the addresses).
    pub async fn set_records(
        &self,
        zone_id: &str,
        id: &str,
        records: &[String],
    ) -> Result<Recordset, CloudError> {
        let _ = (zone_id, id, records);
        todo!()
    }

    pub async fn delete_recordset(&self, zone_id: &str, id: &str) -> Result<(), CloudError> {
        let _ = (zone_id, id);
        todo!()
    }
}
