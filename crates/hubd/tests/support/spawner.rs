//! A spawner whose servers are tasks of the test: they answer every request with an empty 200.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use axum::Router;
use hubd::spawner::{Ending, Launch, ServerKey, SpawnError, Spawner, Started, Status, Target};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Default)]
pub struct MockSpawner {
    waiting: Mutex<HashMap<ServerKey, TcpListener>>,
    running: Mutex<HashMap<ServerKey, JoinHandle<()>>>,
}

#[async_trait]
impl Spawner for MockSpawner {
    async fn prepare(&self, key: &ServerKey) -> Result<Target, SpawnError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        self.waiting
            .lock()
            .expect("servers")
            .insert(key.clone(), listener);
        Ok(Target::Tcp(address))
    }

    async fn start(&self, launch: &Launch, target: &Target) -> Result<Started, SpawnError> {
        let listener = self
            .waiting
            .lock()
            .expect("servers")
            .remove(&launch.key)
            .expect("prepared");
        let task = tokio::spawn(async move {
            let router = Router::new().fallback(|| async {});
            axum::serve(listener, router).await.expect("serving");
        });
        self.running
            .lock()
            .expect("servers")
            .insert(launch.key.clone(), task);
        Ok(Started {
            target: target.clone(),
            state: json!({"started": true}),
        })
    }

    async fn poll(&self, key: &ServerKey, _: &Value) -> Result<Status, SpawnError> {
        let running = self.running.lock().expect("servers").contains_key(key);
        Ok(if running {
            Status::Running
        } else {
            Status::Ended(Ending::default())
        })
    }

    async fn stop(&self, key: &ServerKey, _: &Value) -> Result<(), SpawnError> {
        if let Some(task) = self.running.lock().expect("servers").remove(key) {
            task.abort();
        }
        Ok(())
    }
}
