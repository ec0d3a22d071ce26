//! How the policy grows: decisions, compilation and memory by the number of rules and roles.
//!
//! Knows of nothing but the engine, so that it can be compiled into anything, a Wasm module too.

#![allow(unreachable_pub, reason = "public where it is taken into something else")]

use std::hint::black_box;
use toolgate_engine::json::{Doc, Limits};
use toolgate_engine::policy::{Ask, Context, Facts, Policy};
use toolgate_engine::time::UnixTime;

/// One repetition of something.
pub type Work = Box<dyn FnMut()>;

/// A name, and how to set the work up.
pub type Named = (&'static str, fn() -> Work);

/// What stands for the names in the rules of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each rule names one tool.
    Exact,
    /// Each rule has a pattern: half of them beginnings, half of them with both ends.
    Pattern,
    /// Both, over so many roles in chains of five: each inherits from the one before.
    Roles(usize),
}

/// Decisions and compilations.
pub fn all() -> Vec<Named> {
    vec![
        ("decide/exact/10", || decide(Shape::Exact, 10)),
        ("decide/exact/100", || decide(Shape::Exact, 100)),
        ("decide/exact/1000", || decide(Shape::Exact, 1_000)),
        ("decide/exact/10000", || decide(Shape::Exact, 10_000)),
        ("decide/pattern/10", || decide(Shape::Pattern, 10)),
        ("decide/pattern/100", || decide(Shape::Pattern, 100)),
        ("decide/pattern/1000", || decide(Shape::Pattern, 1_000)),
        ("decide/pattern/10000", || decide(Shape::Pattern, 10_000)),
        ("decide/roles/10000", || decide(THOUSAND, 10_000)),
        ("decide_by_roles/10", || decide(Shape::Roles(10), 10_000)),
        ("decide_by_roles/100", || decide(Shape::Roles(100), 10_000)),
        ("decide_by_roles/1000", || decide(THOUSAND, 10_000)),
        ("compile/exact/10", || compile(Shape::Exact, 10)),
        ("compile/exact/100", || compile(Shape::Exact, 100)),
        ("compile/exact/1000", || compile(Shape::Exact, 1_000)),
        ("compile/exact/10000", || compile(Shape::Exact, 10_000)),
        ("compile/pattern/10", || compile(Shape::Pattern, 10)),
        ("compile/pattern/100", || compile(Shape::Pattern, 100)),
        ("compile/pattern/1000", || compile(Shape::Pattern, 1_000)),
        ("compile/pattern/10000", || compile(Shape::Pattern, 10_000)),
        ("compile/roles/10000", || compile(THOUSAND, 10_000)),
        ("compile_by_roles/10", || compile(Shape::Roles(10), 10_000)),
        ("compile_by_roles/100", || compile(Shape::Roles(100), 10_000)),
        ("compile_by_roles/1000", || compile(THOUSAND, 10_000)),
    ]
}

/// As many roles as the budgets speak of.
pub const THOUSAND: Shape = Shape::Roles(1_000);
/// How many roles a role inherits at the most, one through the other.
const LEVELS: usize = 5;

/// A name that the rule at this place speaks about, and what stands in the rule.
fn names(shape: Shape, at: usize) -> (String, String) {
    match (shape, at % 4) {
        (Shape::Exact, _) | (Shape::Roles(_), 0 | 1) => (format!("tool_{at}"), format!("tool_{at}")),
        (Shape::Pattern, 0 | 2) | (Shape::Roles(_), 2) => (format!("area{at}_x"), format!("area{at}_*")),
        (Shape::Pattern | Shape::Roles(_), _) => (format!("part{at}_x_end"), format!("part{at}_*_end")),
    }
}

/// A policy of so many rules.
pub fn document(shape: Shape, rules: usize) -> String {
    let roles = if let Shape::Roles(roles) = shape { roles } else { 1 };
    let (mut defined, mut bound) = (Vec::new(), Vec::new());
    for role in 0..roles {
        let allow: Vec<String> = (role..rules)
            .step_by(roles)
            .map(|at| format!(r#"{{"tools":["{}"]}}"#, names(shape, at).1))
            .collect();
        let inherits = match role % (LEVELS + 1) {
            0 => String::new(),
            _ => format!(r#""role_{}""#, role - 1),
        };
        defined.push(format!(r#""role_{role}":{{"inherits":[{inherits}],"allow":[{}]}}"#, allow.join(",")));
        bound.push(format!(r#"{{"role":"role_{role}","when":{{"roles":{{"contains":"role_{role}"}}}}}}"#));
    }
    format!(r#"{{"version":1,"roles":{{{}}},"bindings":[{}]}}"#, defined.join(","), bound.join(","))
}

/// The policy of a document.
pub fn compiled(document: &str) -> Policy {
    let doc = Doc::parse(document.as_bytes(), Limits::CONFIG).expect("the policy is JSON");
    Policy::compile(doc.root()).expect("the policy compiles")
}

/// From the text to what decides.
pub fn compile(shape: Shape, rules: usize) -> Work {
    let document = document(shape, rules);
    Box::new(move || drop(black_box(compiled(&document))))
}

/// Four decisions of one caller: two that different rules allow, a name that is nearly one, and one that nobody knows.
pub fn decide(shape: Shape, rules: usize) -> Work {
    let policy = compiled(&document(shape, rules));
    // Of many roles: a rule of the caller's own role, and one that it inherits over five levels; whatever their number, the
    // first a pattern with both ends, the second a beginning.
    let (caller, one, other) = match shape {
        Shape::Roles(roles) => {
            let caller = (0..roles).rfind(|role| role % (LEVELS + 1) == LEVELS).expect("a chain of roles");
            let rule = |of: usize, kind: usize, from: usize| {
                let mut own = (of..rules).step_by(roles).filter(|at| at % 4 == kind);
                own.find(|at| *at >= from).expect("a rule of the role")
            };
            (caller, rule(caller, 3, 4_000), rule(caller - LEVELS, 2, 9_000))
        }
        Shape::Exact | Shape::Pattern => (0, rules / 2, rules - 1),
    };
    let roles = policy.role(&format!("role_{caller}")).expect("the role");
    let asked = [
        (names(shape, one).0, true),
        (names(shape, other).0, true),
        ("tool_".to_owned(), false),
        ("nothing_at_all".to_owned(), false),
    ];
    let context = Context::at(UnixTime::from_secs(1_800_000_000));
    Box::new(move || {
        let facts = Facts { subject: Some("user-1"), ..Facts::default() };
        for (tool, allowed) in &asked {
            let verdict = policy.decide(&roles, &facts, Ask::Tool("tools/call", black_box(tool)), &context);
            assert_eq!(verdict.is_ok(), *allowed, "{tool}");
        }
    })
}
