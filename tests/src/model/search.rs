//! Breadth first through every state, each once; the first broken promise comes with the shortest
//! way to it.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

/// What is searched.
pub trait World {
    /// Everything there is at one moment.
    type State: Copy + Eq + Hash + Debug;
    /// What may happen.
    type Step: Copy + Debug;
    /// Where it begins.
    fn first(&self) -> Self::State;
    /// Everything that may happen next, with where it leads.
    fn next(&mut self, state: &Self::State, found: &mut Vec<(Self::Step, Self::State)>);
    /// The promise that does not hold here.
    fn broken(&self, state: &Self::State) -> Option<String>;
}

/// What a search found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// States, each counted once.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// Steps of the longest of the shortest ways.
    pub depth: usize,
    /// The first broken promise, and the steps that lead to it.
    pub broken: Option<(String, Vec<String>)>,
}

/// Searches until all is seen or a promise is broken.
pub fn search<W: World>(world: &mut W) -> Found {
    let first = world.first();
    let mut known: HashMap<W::State, ()> = HashMap::from([(first, ())]);
    let mut order: Vec<(W::State, usize, Option<W::Step>)> = vec![(first, 0, None)];
    let (mut at, mut found, mut next) = (0, Found::default(), Vec::new());
    let mut layer = (0, 1);
    while let Some((state, ..)) = order.get(at).copied() {
        if at == layer.1 {
            (found.depth, layer) = (found.depth + 1, (at, order.len()));
        }
        if let Some(promise) = world.broken(&state) {
            found.broken = Some((promise, way(&order, at)));
            break;
        }
        world.next(&state, &mut next);
        for (step, state) in next.drain(..) {
            found.steps += 1;
            if known.insert(state, ()).is_none() {
                order.push((state, at, Some(step)));
            }
        }
        at += 1;
    }
    found.states = order.len();
    found
}

fn way<S: Copy, T: Copy + Debug>(order: &[(S, usize, Option<T>)], mut at: usize) -> Vec<String> {
    let mut steps = Vec::new();
    while let Some((_, from, Some(step))) = order.get(at) {
        steps.push(format!("{step:?}"));
        at = *from;
    }
    steps.reverse();
    steps
}
