//! `hubctl init`: a commented hub.yaml, with what the cloud offers.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::Context;
use crate::cloud::{Cloud, Filter, Image};
use crate::event::Observer;
use crate::infra;
use crate::spec::{self, Offer, size::Flavor};
use crate::ui::Exit;

/// Write a commented hub.yaml after asking the cloud what it has
///
/// Lists images, flavors and networks by name and says which flavor is large enough for the class. Never overwrites.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the deployment
    #[arg(long, default_value = "class")]
    pub name: String,
    /// People working at the same time
    #[arg(long, default_value_t = 30)]
    pub seats: u32,
    /// The hub's DNS name
    #[arg(long)]
    pub domain: Option<String>,
    /// Ask no cloud; the spec then says how to find out
    #[arg(long)]
    pub offline: bool,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let path = &context.global.file;
    if path.exists() {
        bail!(
            "{} is there already; `--file` names another",
            path.display()
        );
    }
    let mut offer = Offer {
        name: args.name.clone(),
        seats: args.seats,
        domain: args.domain.clone(),
        cloud: context.global.os_cloud.clone(),
        ..Offer::default()
    };
    if !args.offline {
        let cloud = context.cloud().await?;
        ask(&cloud, &mut offer).await?;
    }
    let text = spec::sample(&offer);
    write_new(path, &text).with_context(|| format!("writing {}", path.display()))?;
    let message = format!(
        "wrote {}; `hubctl plan` shows what it would make",
        path.display()
    );
    (&*context.ui as &dyn Observer).note(message);
    Ok(Exit::Ok)
}

/// Four questions, all at once.
async fn ask(cloud: &Cloud, offer: &mut Offer) -> anyhow::Result<()> {
    let all = Filter::all();
    let (images, flavors, networks) = tokio::try_join!(
        cloud.list_images(&all),
        cloud.list_flavors(),
        cloud.list_networks(&all),
    )?;
    offer.images = best_first(images);
    offer.flavors = flavors
        .into_iter()
        .map(|flavor| Flavor {
            name: flavor.name,
            memory: flavor.ram,
            vcpus: flavor.vcpus,
            disk: flavor.disk,
        })
        .collect();
    offer.volumes = cloud.has_service(crate::cloud::Service::BlockStorage);
    let (external, internal): (Vec<_>, Vec<_>) =
        networks.into_iter().partition(|network| network.external);
    offer.networks = internal.into_iter().map(|network| network.name).collect();
    offer.external_networks = external.into_iter().map(|network| network.name).collect();
    Ok(())
}

/// Names of the images a hub can be put on: Debian 12 first, newest first.
fn best_first(mut images: Vec<Image>) -> Vec<String> {
    images.retain(|image| image.status == "active");
    images.sort_by(|a, b| {
        let rank = |image: &Image| !infra::is_default_image(image);
        rank(a)
            .cmp(&rank(b))
            .then_with(|| b.created_at.cmp(&a.created_at))
    });
    let mut names: Vec<String> = images.into_iter().map(|image| image.name).collect();
    names.dedup();
    names
}

/// A file that is there is never written over, not even one that came into being a moment ago.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
