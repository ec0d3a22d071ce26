//! The tour: every kind of caller walks up to the gate, and the table says what happened.

mod limits;
mod login;
mod report;
mod rows;
mod session;
mod stage;
mod tokens;

use anyhow::Result;

pub use report::{Colour, metrics, table};
pub use stage::{Stage, serve};

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// Who calls.
    pub who: String,
    /// What they try.
    pub what: String,
    /// What must come back.
    pub expected: String,
    /// What came back.
    pub got: String,
    /// The reason that a refusal states; shown, not judged.
    pub why: String,
    /// Whether the two agree.
    pub matched: bool,
}

impl Row {
    /// A row that matches if what came back equals one of the alternatives (parted by ` or `).
    #[must_use]
    pub fn new(who: &str, what: &str, expected: &str, got: impl Into<String>) -> Self {
        let got = got.into();
        let matched = expected.split(" or ").any(|alternative| alternative == got);
        let [who, what, expected] = [who, what, expected].map(str::to_owned);
        Self { who, what, expected, got, why: String::new(), matched }
    }

    /// The same with the stated reason.
    #[must_use]
    pub fn because(mut self, why: Option<String>) -> Self {
        self.why = why.unwrap_or_default();
        self
    }
}

/// Walks the whole tour; `on_row` sees each row as it is done.
///
/// # Errors
/// If the stage breaks down; a wrong answer is a row that does not match.
pub async fn walk(stage: &Stage, mut on_row: impl FnMut(&Row)) -> Result<Vec<Row>> {
    let mut done = Vec::new();
    let mut keep = |rows: Vec<Row>| {
        rows.iter().for_each(&mut on_row);
        done.extend(rows);
    };
    keep(tokens::rows(stage).await?);
    keep(login::rows(stage).await?);
    keep(rows::policy(stage).await?);
    keep(limits::rows(stage).await?);
    keep(session::rows(stage).await?);
    keep(rows::messages(stage).await?);
    keep(rows::door(stage).await?);
    keep(tokens::rotation(stage).await?);
    Ok(done)
}
