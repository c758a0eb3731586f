//! Conversations, each as two requests through the layer: whether the second could be given the answer of the first.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    error::Error,
    fmt::Write as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use dashpot::{
    cache::{CacheLayer, Entry, Key, Lease, Place, Removal, Store, StoreError, verify::Verify},
    core::{Tenant, cosine},
    embed::{MiniLm, Model},
};
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::{data::lines, rate::Rate};

#[derive(Deserialize)]
struct Line {
    same_answer: bool,
    a: Vec<Value>,
    b: Vec<Value>,
}

/// Keeps nothing but the last entry that it was given.
#[derive(Clone, Default)]
struct Last(Arc<Mutex<Option<Arc<Entry>>>>);

impl Store for Last {
    async fn get(&self, _: Place) -> Result<Option<Arc<Entry>>, StoreError> {
        Ok(None)
    }

    async fn find(&self, _: &Tenant, _: Key) -> Result<Option<Arc<Entry>>, StoreError> {
        Ok(None)
    }

    async fn put(&self, entry: Arc<Entry>, _: Option<Lease>) -> Result<bool, StoreError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
        Ok(true)
    }

    async fn remove(&self, _: Removal) -> Result<(), StoreError> {
        Ok(())
    }
}

pub(crate) fn report(data: &Path, model: &MiniLm) -> Result<String, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    // Per way to decide: of conversations with the same answer, and with another.
    let mut served = BTreeMap::<&str, [Vec<bool>; 2]>::new();
    for part in ["conv-parts", "conv-long"] {
        for topic in ["billing", "retail", "services"] {
            for line in lines::<Line>(&data.join(part).join(topic).with_extension("jsonl"))? {
                let (a, b) = runtime.block_on(async {
                    Ok::<_, Box<dyn Error>>((keep(&line.a).await?, keep(&line.b).await?))
                })?;
                let texts = [&a, &b].map(|entry| entry.text.clone().unwrap_or_default());
                let [Some(one), Some(other)] = &model.embed(&texts)[..] else {
                    return Err("a question is longer than the model reads".into());
                };
                let is_verified = Verify::default().check((&texts[0], one), (&texts[1], other)).is_ok();
                let is_near = cosine(one.vector(), other.vector()) >= 0.9;
                let is_one = a.partition == b.partition;
                for (way, is_served) in [
                    ("the last question alone, cosine 0.90", is_near),
                    ("the last question alone, verified", is_verified),
                    ("within a partition, verified (default)", is_one && is_verified),
                ] {
                    served.entry(way).or_default()[usize::from(line.same_answer)].push(is_served);
                }
            }
        }
    }
    let mut text =
        "conversations through the layer's keys; hit % / wrong %, with 95 % intervals\n".to_owned();
    for (way, [other, same]) in served {
        let [hits, wrong] = [same, other].map(|each| Rate::of(each.into_iter()));
        let _ = writeln!(text, "{way:40} {hits} / {wrong}");
    }
    text += "  all turns before the last question are in the key: with others before it, it is another question\n";
    Ok(text)
}

/// What the layer keeps of a conversation.
async fn keep(turns: &[Value]) -> Result<Arc<Entry>, Box<dyn Error>> {
    let last = Last::default();
    let upstream = service_fn(async |_: Request<_>| {
        let answer = r#"{"choices":[{"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{}}"#;
        let head = Response::builder().header(header::CONTENT_TYPE, "application/json");
        Ok::<_, Infallible>(head.body(Full::<Bytes>::from(answer)).expect("it is well-formed"))
    });
    let mut service = ServiceBuilder::new().layer(CacheLayer::shared_by_all(last.clone())).service(upstream);
    let body = Full::<Bytes>::from(json!({ "model": "m", "messages": turns }).to_string());
    let request = Request::post("/v1/chat/completions").body(body)?;
    let answer = service.ready().await?.call(request).await?;
    answer.into_body().collect().await.map_err(|_| "the answer broke off")?;
    // It is kept beside the answer.
    for _ in 0..100 {
        if let Some(entry) = last.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(entry);
        }
        tokio::task::yield_now().await;
    }
    Err("nothing was kept".into())
}
