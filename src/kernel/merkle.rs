//! A Merkle sum tree: one hash and one sum that stand for many balances, of which each owner can check their own.
//!
//! Every node carries the sum of what is below it, and hashes the sums of its children with their hashes. Whoever
//! publishes a root has promised its sum: each member whose path leads to it is counted, and nobody's balance can be
//! left out without a path that fails (G. Maxwell's proof of liabilities). A balance is never negative, or one leaf
//! could hide another. Leaves are salted, so that a path tells its reader sums of groups and no other balance.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::money::{Minor, MoneyError};
use crate::named;

/// Bytes of a hash.
pub const HASH_LEN: usize = 32;
/// Leaves and inner nodes hash apart: a node can never pass for a leaf.
const LEAF: [u8; 1] = [0];
const INNER: [u8; 1] = [1];
const NOTHING: [u8; 1] = [2];

/// A node: the sum below it and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// The sum of the balances below.
    pub sum: Minor,
    /// SHA-256.
    pub hash: [u8; HASH_LEN],
}

named! {
    /// On which side a neighbour stands.
    Side {
        /// Before.
        Left = "left",
        /// After.
        Right = "right",
    }
}

/// A neighbour on the way from a leaf to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// On which side it stands.
    pub side: Side,
    /// What it is.
    pub node: Node,
}

/// Why a tree cannot be built or climbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// A balance or a sum below zero.
    #[error("a sum in the tree is negative")]
    Negative,
    /// A sum out of range.
    #[error("a sum in the tree is out of range")]
    Overflow,
    /// No such leaf.
    #[error("the tree has no such leaf")]
    NoLeaf,
}

impl From<MoneyError> for MerkleError {
    fn from(_error: MoneyError) -> Self {
        Self::Overflow
    }
}

/// The leaf of a balance. `salt` is a secret between the mutual and the owner.
///
/// # Errors
/// Refuses a negative balance.
pub fn leaf(salt: &[u8; HASH_LEN], id: Uuid, balance: Minor) -> Result<Node, MerkleError> {
    if balance < Minor::ZERO {
        return Err(MerkleError::Negative);
    }
    let hash = Sha256::new_with_prefix(LEAF)
        .chain_update(salt)
        .chain_update(id.as_bytes())
        .chain_update(balance.get().to_be_bytes())
        .finalize()
        .into();
    Ok(Node { sum: balance, hash })
}

fn join(left: Node, right: Node) -> Result<Node, MerkleError> {
    if left.sum < Minor::ZERO || right.sum < Minor::ZERO {
        return Err(MerkleError::Negative);
    }
    let hash = Sha256::new_with_prefix(INNER)
        .chain_update(left.sum.get().to_be_bytes())
        .chain_update(left.hash)
        .chain_update(right.sum.get().to_be_bytes())
        .chain_update(right.hash)
        .finalize()
        .into();
    Ok(Node { sum: left.sum.plus(right.sum)?, hash })
}

/// The level above: neighbours joined in pairs, the last one alone goes up as it is.
fn above(level: &[Node]) -> Result<Vec<Node>, MerkleError> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => join(*left, *right),
            [alone] => Ok(*alone),
            _ => Err(MerkleError::NoLeaf),
        })
        .collect()
}

/// The root over leaves in their order. Nothing has a root too, with the sum zero.
///
/// # Errors
/// Refuses sums out of range.
pub fn root(leaves: &[Node]) -> Result<Node, MerkleError> {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = above(&level)?;
    }
    let nothing = || Node { sum: Minor::ZERO, hash: Sha256::digest(NOTHING).into() };
    Ok(level.first().copied().unwrap_or_else(nothing))
}

/// The neighbours of a leaf on its way to the root.
///
/// # Errors
/// Refuses a place beyond the leaves.
pub fn path(leaves: &[Node], place: usize) -> Result<Vec<Neighbour>, MerkleError> {
    if place >= leaves.len() {
        return Err(MerkleError::NoLeaf);
    }
    let mut level = leaves.to_vec();
    let mut place = place;
    let mut path = Vec::new();
    while level.len() > 1 {
        let is_right = place & 1 == 1;
        if let Some(node) = level.get(place ^ 1) {
            path.push(Neighbour { side: if is_right { Side::Left } else { Side::Right }, node: *node });
        }
        level = above(&level)?;
        place >>= 1_u32;
    }
    Ok(path)
}

/// The root that a leaf and its neighbours lead to.
///
/// # Errors
/// Refuses a neighbour with a negative sum, which could hide what others are owed, and sums out of range.
pub fn climb(leaf: Node, path: &[Neighbour]) -> Result<Node, MerkleError> {
    path.iter().try_fold(leaf, |node, neighbour| match neighbour.side {
        Side::Left => join(neighbour.node, node),
        Side::Right => join(node, neighbour.node),
    })
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failed test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(balances: &[i64]) -> Vec<Node> {
        let salt = |n: u128| Sha256::digest(n.to_be_bytes()).into();
        (0..).zip(balances).map(|(n, b)| leaf(&salt(n), Uuid::from_u128(n), Minor::new(*b)).unwrap()).collect()
    }

    #[test]
    fn a_negative_balance_has_no_leaf_and_a_negative_neighbour_no_way_up() {
        assert_eq!(leaf(&[0; 32], Uuid::nil(), Minor::new(-1)), Err(MerkleError::Negative));
        let mine = leaf(&[0; 32], Uuid::nil(), Minor::new(100)).unwrap();
        let hides = Neighbour { side: Side::Left, node: Node { sum: Minor::new(-50), hash: [7; 32] } };
        assert_eq!(climb(mine, &[hides]), Err(MerkleError::Negative));
        let huge = Neighbour { side: Side::Left, node: Node { sum: Minor::new(i64::MAX), hash: [7; 32] } };
        assert_eq!(climb(mine, &[huge]), Err(MerkleError::Overflow));
    }

    #[test]
    fn nothing_and_one_have_a_root() {
        assert_eq!(root(&[]).unwrap().sum, Minor::ZERO);
        let one = leaves(&[5]);
        assert_eq!(root(&one).unwrap(), one[0]);
        assert_eq!(path(&one, 0).unwrap(), []);
        assert_eq!(path(&one, 1), Err(MerkleError::NoLeaf));
    }

    proptest! {
        #[test]
        fn every_leaf_leads_to_the_root_and_the_root_to_the_sum(balances in proptest::collection::vec(0_i64..1_000_000_000, 1..80)) {
            let leaves = leaves(&balances);
            let root = root(&leaves).unwrap();
            prop_assert_eq!(root.sum.get(), balances.iter().sum::<i64>());
            for (place, leaf) in leaves.iter().enumerate() {
                prop_assert_eq!(climb(*leaf, &path(&leaves, place).unwrap()).unwrap(), root);
            }
        }

        #[test]
        fn a_balance_that_is_another_leads_elsewhere(balances in proptest::collection::vec(0_i64..1_000_000_000, 2..40), at in 0_usize..40, more in 1_i64..1_000) {
            let leaves = leaves(&balances);
            let at = at % leaves.len();
            let root = root(&leaves).unwrap();
            let salt = Sha256::digest(u128::try_from(at).unwrap().to_be_bytes()).into();
            let other = leaf(&salt, Uuid::from_u128(u128::try_from(at).unwrap()), Minor::new(balances[at] + more)).unwrap();
            prop_assert_ne!(climb(other, &path(&leaves, at).unwrap()).unwrap(), root);
        }

        #[test]
        fn a_sum_changed_on_the_way_is_noticed(balances in proptest::collection::vec(0_i64..1_000_000, 3..40), at in 0_usize..40, step in 0_usize..6) {
            let leaves = leaves(&balances);
            let at = at % leaves.len();
            let mut path = path(&leaves, at).unwrap();
            prop_assume!(step < path.len());
            path[step].node.sum = Minor::new(path[step].node.sum.get() + 1);
            prop_assert_ne!(climb(leaves[at], &path).unwrap(), root(&leaves).unwrap());
        }
    }
}
