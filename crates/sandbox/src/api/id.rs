//! Made-up identifiers, in each service's shape.

use uuid::Uuid;

/// A dashed UUID: Nova, Neutron, Glance, Cinder, Designate.
pub fn uuid() -> String {
    Uuid::new_v4().to_string()
}

/// 32 hex digits: Keystone.
pub fn hex() -> String {
    Uuid::new_v4().simple().to_string()
}

/// A request id, as in `x-openstack-request-id`.
pub fn request() -> String {
    format!("req-{}", uuid())
}

/// A secret of some 43 URL-safe characters: passwords, application credential secrets.
pub fn secret() -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// A hardware address in OpenStack's range.
pub fn mac() -> String {
    let [a, b, c] = rand::random::<[u8; 3]>();
    format!("fa:16:3e:{a:02x}:{b:02x}:{c:02x}")
}
