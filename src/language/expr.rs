//! An expression as it was written: a tree with places, not yet checked.

use super::{op::Op, problem::Span};

/// One node, and the bytes it was written with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expr {
    pub(super) span: Span,
    pub(super) kind: ExprKind,
    /// Levels below and with it.
    pub(super) depth: usize,
}

/// What it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ExprKind {
    /// A number, and whether it is written without point and exponent.
    Number { value: f64, whole: bool },
    /// `true` or `false`.
    Bool(bool),
    /// A text in quotes; only `tf` and `signal` take one.
    Text(String),
    /// A name without brackets.
    Name(String),
    /// An operator and its operands.
    Op(Op, Vec<Expr>),
    /// `x[n]`.
    Ago(Box<[Expr; 2]>),
    /// A name with arguments, and the place of the name.
    Call(String, Span, Vec<Expr>),
}

impl Expr {
    pub(super) fn new(span: Span, kind: ExprKind) -> Self {
        let depth = 1 + Self::parts(&kind).iter().map(|part| part.depth).max().unwrap_or(0);
        Self { span, kind, depth }
    }

    /// The nodes directly below.
    pub(super) fn below(&self) -> &[Self] {
        Self::parts(&self.kind)
    }

    fn parts(kind: &ExprKind) -> &[Self] {
        match kind {
            ExprKind::Number { .. } | ExprKind::Bool(_) | ExprKind::Text(_) | ExprKind::Name(_) => {
                &[]
            }
            ExprKind::Op(_, parts) | ExprKind::Call(_, _, parts) => parts,
            ExprKind::Ago(parts) => &**parts,
        }
    }

    /// How many nodes it has.
    pub(super) fn nodes(&self) -> usize {
        1 + self.below().iter().map(Self::nodes).sum::<usize>()
    }

    /// Every name without brackets in it, with its place, from left to right.
    pub(super) fn names(&self) -> Vec<(&str, Span)> {
        let mut found = Vec::new();
        self.collect_names(&mut found);
        found
    }

    fn collect_names<'a>(&'a self, found: &mut Vec<(&'a str, Span)>) {
        if let ExprKind::Name(name) = &self.kind {
            found.push((name, self.span));
        }
        for part in self.below() {
            part.collect_names(found);
        }
    }
}
