// SPDX-License-Identifier: Apache-2.0
//! Where a switch can stand: the nodes of a file's syntax tree, and the one that belongs to a mutant.
//!
//! cargo-mutants replaces text. `a - b * c` with `+` for `*` is `a - b + c`, not `a - (b + c)`: so the switch stands
//! around the whole chain of operators that bind alike, and the mutated branch is its text, changed.

use std::ops::Range;

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::list::Genre;

/// What a switch does to the text of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The word `const` before a function, which goes.
    Word,
    /// Surrounds a `match` of which arms are deleted: nothing is written, but an arm with a guard may be missed there.
    Match,
    /// Stands at the beginning of a function's body and returns.
    Return,
    /// Stands behind a pattern that has no guard, as a guard.
    Arm,
    /// Surrounds the guard of an arm.
    Guard,
    /// Surrounds an expression.
    Around,
}

/// A place for a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) kind: Kind,
    pub(crate) at: Range<usize>,
}

/// The nodes of a file, by what is replaced in them.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    /// Bodies, without their braces.
    bodies: Vec<Range<usize>>,
    /// The word `const` before a function, and the function's body.
    const_fns: Vec<(Range<usize>, Range<usize>)>,
    /// An operator, and what the switch surrounds; nothing where no switch can stand.
    operators: Vec<(Range<usize>, Option<Range<usize>>)>,
    /// An arm, the end of its pattern, its guard.
    arms: Vec<(Range<usize>, usize, Option<Range<usize>>)>,
    matches: Vec<Range<usize>>,
    structs: Vec<Range<usize>>,
    /// Where only constant expressions may stand, and a switch is none.
    constant: Vec<Range<usize>>,
    chain: Option<(Level, Option<Range<usize>>)>,
}

/// Operators of one level can change what belongs to what when one of them is replaced by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Assignment,
    Logic,
    Comparison,
    Arithmetic,
}

impl Nodes {
    /// The nodes of a source text.
    pub(crate) fn of(source: &str) -> syn::Result<Self> {
        let mut nodes = Self::default();
        nodes.visit_file(&syn::parse_file(source)?);
        Ok(nodes)
    }

    /// Where the switch of a mutant stands that replaces this text; nothing if none can.
    pub(crate) fn site(&self, genre: Genre, text: &Range<usize>) -> Option<Site> {
        if self.constant.iter().any(|constant| covers(constant, text)) {
            return None;
        }
        let site = |kind, at| Some(Site { kind, at });
        match genre {
            Genre::FnValue => {
                let body = innermost(self.bodies.iter(), text)?;
                site(Kind::Return, body.start..body.start)
            }
            Genre::BinaryOperator | Genre::UnaryOperator => {
                let (_, around) = self.operators.iter().find(|(operator, _)| operator == text)?;
                site(Kind::Around, around.clone()?)
            }
            Genre::StructField => site(Kind::Around, innermost(self.structs.iter(), text)?),
            Genre::MatchArm => {
                let (_, end, guard) = self.arms.iter().find(|(arm, ..)| arm.start == text.start)?;
                match guard {
                    Some(guard) => site(Kind::Guard, guard.clone()),
                    None => site(Kind::Arm, *end..*end),
                }
            }
            Genre::MatchArmGuard => {
                let mut guards = self.arms.iter().filter_map(|(.., guard)| guard.as_ref());
                site(Kind::Guard, guards.find(|guard| *guard == text)?.clone())
            }
        }
    }

    /// The word that makes the function around a mutant a constant one: with a switch in it, it is none.
    pub(crate) fn const_word(&self, text: &Range<usize>) -> Option<Range<usize>> {
        let around = self.const_fns.iter().filter(|(_, body)| covers(body, text));
        around.min_by_key(|(_, body)| body.len()).map(|(word, _)| word.clone())
    }

    /// The `match` around an arm.
    pub(crate) fn match_around(&self, arm: &Range<usize>) -> Option<Range<usize>> {
        innermost(self.matches.iter(), arm)
    }

    fn body(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let braces = block.span().byte_range();
        let body = braces.start + 1..braces.end.saturating_sub(1);
        if let Some(word) = &signature.constness {
            self.const_fns.push((bytes(word.span), body.clone()));
        }
        self.bodies.push(body);
    }

    fn aside(&mut self, visit: impl FnOnce(&mut Self)) {
        let chain = self.chain.take();
        visit(self);
        self.chain = chain;
    }
}

fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn innermost<'r>(
    ranges: impl Iterator<Item = &'r Range<usize>>,
    text: &Range<usize>,
) -> Option<Range<usize>> {
    ranges.filter(|range| covers(range, text)).min_by_key(|range| range.len()).cloned()
}

fn bytes(span: Span) -> Range<usize> {
    span.byte_range()
}

fn level(operator: &syn::BinOp) -> Level {
    use syn::BinOp::{Add, BitAnd, BitOr, BitXor, Div, Mul, Rem, Shl, Shr, Sub};
    use syn::BinOp::{And, Eq, Ge, Gt, Le, Lt, Ne, Or};
    match operator {
        And(_) | Or(_) => Level::Logic,
        Eq(_) | Ne(_) | Lt(_) | Le(_) | Gt(_) | Ge(_) => Level::Comparison,
        Add(_) | Sub(_) | Mul(_) | Div(_) | Rem(_) | BitAnd(_) | BitOr(_) | BitXor(_) | Shl(_) | Shr(_) => {
            Level::Arithmetic
        }
        _ => Level::Assignment,
    }
}

/// Whether a chain of conditions binds names, which only `if` and `while` may.
fn binds(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => binds(&binary.left) || binds(&binary.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Nodes {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.body(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.body(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.body(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.constant.push(bytes(item.span()));
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.constant.push(bytes(item.span()));
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.constant.push(bytes(item.span()));
    }

    fn visit_expr_const(&mut self, block: &'ast syn::ExprConst) {
        self.constant.push(bytes(block.span()));
    }

    fn visit_type_array(&mut self, array: &'ast syn::TypeArray) {
        self.constant.push(bytes(array.len.span()));
    }

    fn visit_expr(&mut self, expression: &'ast syn::Expr) {
        match expression {
            syn::Expr::Binary(binary) => self.visit_expr_binary(binary),
            other => self.aside(|nodes| visit::visit_expr(nodes, other)),
        }
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        let level = level(&binary.op);
        let around = match self.chain.take() {
            Some((above, around)) if above == level => around,
            _ => (!binds(&binary.left) && !binds(&binary.right)).then(|| bytes(binary.span())),
        };
        self.operators.push((bytes(binary.op.span()), around.clone()));
        for operand in [&binary.left, &binary.right] {
            self.chain = Some((level, around.clone()));
            self.visit_expr(operand);
        }
        self.chain = None;
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        self.operators.push((bytes(unary.op.span()), Some(bytes(unary.span()))));
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_struct(&mut self, literal: &'ast syn::ExprStruct) {
        self.structs.push(bytes(literal.span()));
        visit::visit_expr_struct(self, literal);
    }

    fn visit_expr_match(&mut self, expression: &'ast syn::ExprMatch) {
        self.matches.push(bytes(expression.span()));
        visit::visit_expr_match(self, expression);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let guard = arm.guard.as_ref().map(|(_, guard)| bytes(guard.span()));
        self.arms.push((bytes(arm.span()), bytes(arm.pat.span()).end, guard));
        visit::visit_arm(self, arm);
    }
}
