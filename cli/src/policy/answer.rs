// SPDX-License-Identifier: Apache-2.0
//! A question to a policy, and its verdict.

use serde_json::{Value, json};
use toolgate_engine::{
    deny::policy_label,
    mcp::{Method, MethodClass},
    policy::{Arguments, Ask, Context, Permit, Policy, Refused},
    suggest::nearest,
    time::UnixTime,
};

use super::{caller::Caller, parse};

/// What is asked: a method, and what it is aimed at.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    method: Method,
    target: Target,
    arguments: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    None,
    Tool(String),
    Prompt(String),
    Resource(String),
}

/// What the policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) decision: Decision,
    /// Why not.
    pub(crate) reason: Option<&'static str>,
    /// The rule that decided.
    pub(crate) rule: Option<String>,
    /// The roles that the bindings give the caller.
    pub(crate) roles: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow,
    Deny,
}

impl Decision {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl Verdict {
    /// The engine's verdict, as it is said.
    pub(super) fn of(verdict: Result<Permit, Refused>, roles: Vec<String>) -> Self {
        match verdict {
            Ok(permit) => {
                Self { decision: Decision::Allow, reason: None, rule: Some(permit.rule().to_string()), roles }
            }
            Err(Refused { reason, rule }) => Self {
                decision: Decision::Deny,
                reason: Some(policy_label(reason)),
                rule: rule.map(|rule| rule.to_string()),
                roles,
            },
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "decision": self.decision.word(), "reason": self.reason, "rule": self.rule, "roles": self.roles })
    }

    /// `allow by edit-code`, `deny: no_rule`, `deny: deny_rule by no-delete`.
    pub(crate) fn say(&self) -> String {
        let mut text = self.decision.word().to_owned();
        if let Some(reason) = self.reason {
            text.push_str(&format!(": {reason}"));
        }
        if let Some(rule) = &self.rule {
            text.push_str(&format!(" by `{rule}`"));
        }
        text
    }
}

impl Question {
    /// Refuses a method that MCP does not know, and a target that does not fit it.
    pub(crate) fn new(method: &str, target: Target, arguments: Option<String>) -> Result<Self, String> {
        let Some(known) = Method::from_name(method) else {
            let near = nearest(method, Method::ALL.iter().map(|method| method.name()));
            let help = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(format!("`{method}` is not a method of MCP{help}"));
        };
        let wanted = match known.class() {
            MethodClass::Tool => matches!(target, Target::Tool(_)).then_some(()).ok_or("`tool`"),
            MethodClass::Prompt => matches!(target, Target::Prompt(_)).then_some(()).ok_or("`prompt`"),
            MethodClass::Resource | MethodClass::Subscription => {
                matches!(target, Target::Resource(_)).then_some(()).ok_or("`uri`")
            }
            MethodClass::Completion => matches!(target, Target::Prompt(_) | Target::Resource(_))
                .then_some(())
                .ok_or("`prompt` or `uri`"),
            MethodClass::Base | MethodClass::Plain | MethodClass::Task => {
                (target == Target::None).then_some(()).ok_or("neither `tool`, `prompt` nor `uri`")
            }
        };
        match wanted {
            Ok(()) => Ok(Self { method: known, target, arguments }),
            Err(wanted) => Err(format!("`{method}` needs {wanted}")),
        }
    }

    fn ask(&self) -> Ask<'_> {
        let name = self.method.name();
        match (&self.target, self.method.class()) {
            (Target::Tool(tool), _) => Ask::Tool(name, tool),
            (Target::Prompt(prompt), _) => Ask::Prompt(name, prompt),
            (Target::Resource(uri), _) => Ask::Resource(name, uri),
            (Target::None, MethodClass::Base) => Ask::Base(name),
            (Target::None, _) => Ask::Method(name),
        }
    }
}

/// Decides a question as the gate does.
pub(crate) fn decide(
    policy: &Policy,
    caller: &Caller,
    now: UnixTime,
    question: &Question,
) -> Result<Verdict, String> {
    let doc = question.arguments.as_deref().map(parse).transpose()?;
    let arguments = doc.as_ref().map_or(Arguments::Absent, |doc| Arguments::Given(doc.root()));
    let facts = caller.facts();
    let (roles, _) = policy.resolve(&facts, now);
    // Listening needs the method itself, and each resource that is listened to.
    let listens = question.method.class() == MethodClass::Subscription;
    let method = listens.then(|| Ask::Method(question.method.name()));
    let asks = method.into_iter().chain(std::iter::once(question.ask()));
    let verdict = policy.decide_all(&roles, &facts, asks, &Context::at(now).with(arguments));
    let roles = policy.role_names(&roles).map(str::to_owned).collect();
    Ok(Verdict::of(verdict, roles))
}

/// What a caller sees of a list; nothing if the list itself is denied.
pub(super) fn visible(
    policy: &Policy,
    caller: &Caller,
    now: UnixTime,
    kind: List,
    given: &[String],
) -> Option<Vec<String>> {
    let facts = caller.facts();
    let (roles, _) = policy.resolve(&facts, now);
    let context = Context::at(now);
    let may = |ask, context: &Context<'_>| policy.decide(&roles, &facts, ask, context).is_ok();
    if !may(Ask::Method(kind.method().name()), &context) {
        return None;
    }
    let seen = given.iter().filter(|name| {
        let ask = match kind {
            List::Tools => Ask::Tool(Method::ToolsCall.name(), name),
            List::Prompts => Ask::Prompt(Method::PromptsGet.name(), name),
            List::Resources | List::Templates => Ask::Resource(Method::ResourcesRead.name(), name),
        };
        may(ask, &context.listed())
    });
    Some(seen.cloned().collect())
}

/// A list that the gate filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum List {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl List {
    pub(super) fn method(self) -> Method {
        match self {
            Self::Tools => Method::ToolsList,
            Self::Prompts => Method::PromptsList,
            Self::Resources => Method::ResourcesList,
            Self::Templates => Method::ResourcesTemplatesList,
        }
    }
}
