//! Taking a long list apart without holding it twice.

/// After so many items the emptied part of the list goes back to the system.
const STRIDE: usize = 1 << 16;

/// Gives every item to `each`, front to back. While one list of a million becomes another, only one of them is held.
pub fn consume<T>(mut items: Vec<T>, mut each: impl FnMut(T)) {
    items.reverse();
    while let Some(item) = items.pop() {
        each(item);
        if items.len().is_multiple_of(STRIDE) {
            items.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_order_is_kept() {
        let mut seen = Vec::new();
        super::consume((0..200_000).collect(), |item| seen.push(item));
        assert!(seen.iter().copied().eq(0..200_000));
    }
}
