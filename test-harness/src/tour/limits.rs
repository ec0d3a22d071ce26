//! A row about a rate limit, and the limit that it meets.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Row, Stage};
use crate::{client::Answer, issuer::Client};

/// So many pass at once; then one comes back every twenty minutes, which is longer than any tour.
const BURST: usize = 3;

/// Puts a limit into a configuration that only this row meets: bob calls the tool too, and is no developer.
pub(super) fn limit(configuration: &mut Value) {
    let on = json!({ "tools": ["get_weather"], "roles": ["developer"] });
    let limit = json!({ "id": "weather", "by": ["principal"], "requests": BURST, "seconds": 3600, "on": on });
    configuration["limits"]["rates"] = json!([limit]);
}

pub(super) async fn rows(stage: &Stage) -> Result<Vec<Row>> {
    let mut got = Vec::new();
    let mut why = None;
    for round in 0..=BURST {
        let mark = format!("weather-{round}");
        let call = stage.call(&mark, "get_weather", json!({ "city": "Oslo" }));
        let answer = call.token(stage.token(Client::Alice)).send().await?;
        got.push(format!("{}{}", stage.verdict(&answer, &mark), later(&answer)));
        why = answer.reason();
    }
    let what = "a fourth get_weather within the hour";
    let expected = "200 200 200 429 (code 429), retry in 20 minutes";
    Ok(vec![Row::new("alice", what, expected, got.join(" ")).because(why)])
}

/// When the answer says that another call may pass.
fn later(answer: &Answer) -> String {
    let seconds = answer.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
    seconds.map(|seconds| format!(", retry in {} minutes", seconds.div_ceil(60))).unwrap_or_default()
}
