// SPDX-License-Identifier: Apache-2.0
//! The engine for those who ask outside of a proxy: the command line, tests, a playground.
//!
//! What enters: written claims, a question in words. What leaves: the same facts and the same verdicts as in the
//! filter, by the same code. Deliberately absent: proof; whoever calls this says who the caller is.

use crate::json::{Doc, Limits};
use crate::mcp::{Method, MethodClass, Target};
use crate::policy::{Context, Facts, Permit, Policy, Refused, RoleSet};
use crate::suggest::did_you_mean;
use crate::token::{ClaimPaths, StatedClaims};
use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A caller whose claims are taken as they are written.
#[derive(Debug)]
pub struct Claimant(StatedClaims);

impl Claimant {
    /// Reads claims, a JSON object, as the filter reads those of a verified token: roles, scopes and groups at these
    /// paths, `sub`, and `client_id` or else `azp`. Unlike a token's, they need neither `iss` nor `exp`.
    ///
    /// # Errors
    /// What no token with such claims could pass with.
    pub fn read(claims: &str, paths: &ClaimPaths) -> Result<Claimant, String> {
        let doc = Doc::parse(claims.as_bytes(), Limits::TOKEN)
            .map_err(|error| format!("the claims are not JSON: {error}"))?;
        let stated = StatedClaims::read(doc, paths);
        stated.map(Claimant).map_err(|rejection| format!("no token has such claims: {}", rejection.label()))
    }

    /// What conditions may look at.
    #[must_use]
    pub fn facts(&self) -> Facts<'_> {
        let stated = &self.0;
        Facts {
            claims: Some(&stated.doc),
            roles: &stated.roles,
            scopes: &stated.scopes,
            groups: &stated.groups,
            subject: stated.subject.as_deref(),
            client: stated.client.as_deref(),
            ..Facts::default()
        }
    }
}

/// What a call is aimed at, in the words of those who ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aim {
    /// At nothing.
    Nothing,
    /// At a tool.
    Tool(String),
    /// At a prompt.
    Prompt(String),
    /// At a resource.
    Resource(String),
}

/// A method and what it is aimed at, which fit each other.
#[derive(Clone, Debug)]
pub struct Question {
    method: Method,
    target: Target<'static>,
}

impl Question {
    /// Puts a question.
    ///
    /// # Errors
    /// A method that MCP does not know, or that needs another target.
    pub fn new(method: &str, aim: Aim) -> Result<Question, String> {
        let Some(method) = Method::from_name(method) else {
            let help = did_you_mean(method, Method::ALL.iter().map(|method| method.name()));
            let help = help.map(|help| format!("; {help}")).unwrap_or_default();
            return Err(format!("`{method}` is not a method of MCP{help}"));
        };
        let owned = Cow::Owned::<'static, str>;
        let fitting = match (method.class(), aim) {
            (MethodClass::Tool, Aim::Tool(name)) => Ok(Target::Tool(owned(name))),
            (MethodClass::Prompt, Aim::Prompt(name)) => Ok(Target::Prompt(owned(name))),
            (MethodClass::Resource, Aim::Resource(uri)) => Ok(Target::Resource(owned(uri))),
            (MethodClass::Subscription, Aim::Resource(uri)) => {
                Ok(Target::Listen { uris: Vec::from([owned(uri)]), tasks: Vec::new() })
            }
            (MethodClass::Completion, Aim::Prompt(name)) => Ok(Target::PromptRef(owned(name))),
            (MethodClass::Completion, Aim::Resource(uri)) => Ok(Target::ResourceRef(owned(uri))),
            (MethodClass::Base | MethodClass::Plain | MethodClass::Task, Aim::Nothing) => Ok(Target::None),
            (MethodClass::Tool, _) => Err("`tool`"),
            (MethodClass::Prompt, _) => Err("`prompt`"),
            (MethodClass::Resource | MethodClass::Subscription, _) => Err("`uri`"),
            (MethodClass::Completion, _) => Err("`prompt` or `uri`"),
            (MethodClass::Base | MethodClass::Plain | MethodClass::Task, _) => {
                Err("neither `tool`, `prompt` nor `uri`")
            }
        };
        match fitting {
            Ok(target) => Ok(Question { method, target }),
            Err(wanted) => Err(format!("`{}` needs {wanted}", method.name())),
        }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// What it is aimed at.
    #[must_use]
    pub fn target(&self) -> &Target<'static> {
        &self.target
    }
}

/// A list that the filter shortens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum List {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    Templates,
}

impl List {
    /// The method that asks for it.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            List::Tools => Method::ToolsList,
            List::Prompts => Method::PromptsList,
            List::Resources => Method::ResourcesList,
            List::Templates => Method::ResourcesTemplatesList,
        }
    }

    /// The verdicts on the list itself, and, if it is allowed, on each item.
    #[must_use]
    pub fn judged(
        self,
        policy: &Policy,
        roles: &RoleSet,
        facts: &Facts<'_>,
        context: &Context<'_>,
        items: &[String],
    ) -> ListVerdicts {
        let list = policy.judge(roles, facts, self.method(), &Target::None, context);
        if list.is_err() {
            return ListVerdicts { list, items: Vec::new() };
        }
        let context = context.listed();
        let each = items.iter().map(|name| {
            let name = Cow::Borrowed(name.as_str());
            let (method, target) = match self {
                List::Tools => (Method::ToolsCall, Target::Tool(name)),
                List::Prompts => (Method::PromptsGet, Target::Prompt(name)),
                List::Resources | List::Templates => (Method::ResourcesRead, Target::Resource(name)),
            };
            policy.judge(roles, facts, method, &target, &context)
        });
        ListVerdicts { list, items: each.collect() }
    }

    /// Which of these items are shown; nothing if the list itself is denied.
    #[must_use]
    pub fn shown(
        self,
        policy: &Policy,
        roles: &RoleSet,
        facts: &Facts<'_>,
        context: &Context<'_>,
        items: &[String],
    ) -> Option<Vec<String>> {
        self.judged(policy, roles, facts, context, items).shown(items)
    }
}

/// What a policy says of a list.
#[derive(Debug)]
pub struct ListVerdicts {
    list: Result<Permit, Refused>,
    /// One for each item, in their order.
    items: Vec<Result<Permit, Refused>>,
}

impl ListVerdicts {
    /// Which of the items that were judged are shown; nothing if the list itself is denied.
    #[must_use]
    pub fn shown(&self, items: &[String]) -> Option<Vec<String>> {
        self.list.as_ref().ok()?;
        let shown = items.iter().zip(&self.items).filter(|(_, verdict)| verdict.is_ok());
        Some(shown.map(|(name, _)| name.to_owned()).collect())
    }

    /// The rules that decided, for the list and then for each item.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        core::iter::once(&self.list).chain(&self.items).filter_map(|verdict| match verdict {
            Ok(permit) => Some(&**permit.rule()),
            Err(refused) => refused.rule.as_deref(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Arguments;
    use crate::time::UnixTime;
    use alloc::string::ToString;

    #[test]
    fn claims_are_read_as_a_tokens_are() {
        let read = |claims: &str| Claimant::read(claims, &ClaimPaths::default());
        let claimant =
            read(r#"{"sub":"a","azp":"app","roles":"dev","groups":["x","x"],"scp":"r w"}"#).unwrap();
        let facts = claimant.facts();
        assert_eq!((facts.subject, facts.client, facts.issuer), (Some("a"), Some("app"), None));
        assert_eq!((facts.roles, facts.groups), (&["dev".to_string()][..], &["x".to_string()][..]));
        assert_eq!(facts.scopes, ["r", "w"]);
        for (claims, error) in [
            ("{", "the claims are not JSON"),
            ("[]", "no token has such claims"),
            (r#"{"sub":1}"#, "no token has such claims"),
            (r#"{"roles":{"a":1}}"#, "no token has such claims: bad_claim"),
            (r#"{"a":1,"a":2}"#, "the claims are not JSON"),
        ] {
            assert!(read(claims).unwrap_err().starts_with(error), "{claims}");
        }
    }

    #[test]
    fn a_question_needs_the_target_of_its_method() {
        for (method, aim, expected) in [
            ("tools/call", Aim::Tool("t".into()), "Tool(\"t\")"),
            ("completion/complete", Aim::Prompt("p".into()), "PromptRef(\"p\")"),
            (
                "subscriptions/listen",
                Aim::Resource("a://b".into()),
                "Listen { uris: [\"a://b\"], tasks: [] }",
            ),
            ("ping", Aim::Nothing, "None"),
            ("tools/call", Aim::Nothing, "`tools/call` needs `tool`"),
            ("ping", Aim::Tool("t".into()), "`ping` needs neither `tool`, `prompt` nor `uri`"),
            ("resources/read", Aim::Prompt("p".into()), "`resources/read` needs `uri`"),
            ("tools/cal", Aim::Nothing, "`tools/cal` is not a method of MCP; did you mean `tools/call`?"),
        ] {
            let got = Question::new(method, aim);
            let got = got.map_or_else(|error| error, |question| format!("{:?}", question.target()));
            assert_eq!(got, expected, "{method}");
        }
    }

    #[test]
    fn a_list_shows_what_may_be_called() {
        let json = r#"{"version":1,"roles":{"r":{"allow":[{"methods":["tools/list"]},{"tools":["a*"],"when":{"args":{"/x":{"equals":1}}}}]}}}"#;
        let policy = Policy::compile(Doc::parse(json.as_bytes(), Limits::CONFIG).unwrap().root()).unwrap();
        let (roles, context) = (policy.role("r").unwrap(), Context::at(UnixTime::default()));
        let items = ["a1", "b", "a2"].map(String::from);
        let shown = |list: List| list.shown(&policy, &roles, &Facts::default(), &context, &items);
        assert_eq!(shown(List::Tools), Some(["a1", "a2"].map(String::from).into()));
        assert_eq!(shown(List::Prompts), None);
        let question = Question::new("tools/call", Aim::Tool("a1".into())).unwrap();
        let context = context.with(Arguments::Absent);
        let judged = policy.judge(&roles, &Facts::default(), question.method(), question.target(), &context);
        assert!(judged.is_err());
    }
}
