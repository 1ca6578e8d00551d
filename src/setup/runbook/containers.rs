//! The network and the image of users' containers.

use super::Runbook;
use crate::setup::desired::{Containers, ImageSource};
use crate::setup::step::{Action, Step};

impl Runbook<'_> {
    pub(in crate::setup) fn containers(&mut self) {
        let Some(containers) = &self.desired.containers else {
            return;
        };
        let found = self.facts.containers.clone().unwrap_or_default();
        if found.network.as_deref() != Some(&containers.subnet) {
            self.network(containers, found.network.as_deref());
        }
        if !found.image {
            self.image(containers);
        }
    }

    fn network(&mut self, containers: &Containers, found: Option<&str>) {
        let why = found.map_or_else(
            || "absent".to_owned(),
            |found| format!("{found} → {}; what runs in it ends", containers.subnet),
        );
        self.step(
            format!("make the containers' network {}", containers.subnet),
            why,
            Action::ContainerNetwork {
                name: containers.network.to_owned(),
                device: containers.device.to_owned(),
                subnet: containers.subnet.clone(),
            },
        );
    }

    fn image(&mut self, containers: &Containers) {
        let image = &containers.image;
        let (name, from, content) = match &containers.source {
            ImageSource::Pulled => (format!("pull the image {image}"), "registry", None),
            ImageSource::Empty => (format!("make the image {image}"), "nothing", None),
            ImageSource::Dockerfile(text) => {
                (format!("build the image {image}"), "dockerfile", Some(text))
            }
            ImageSource::Archive(bytes) => {
                (format!("load the image {image}"), "archive", Some(bytes))
            }
        };
        self.plan.steps.push(Step {
            name,
            why: "absent".to_owned(),
            diff: None,
            lane: None,
            action: Action::ContainerImage {
                name: image.clone(),
                from: from.to_owned(),
            },
            content: content.cloned(),
        });
    }
}
