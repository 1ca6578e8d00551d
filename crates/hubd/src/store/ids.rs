//! Some rows, by their numbers: one statement for however many there are.

use rusqlite::types::Value;

/// How many times more rows than are meant a range of numbers may hold and still be quicker than a list.
const SPARSE: usize = 4;

/// Numbers of rows, each with its place in the list they came from.
pub(super) struct Ids(Vec<(i64, usize)>);

impl Ids {
    pub(super) fn of(ids: impl IntoIterator<Item = i64>) -> Self {
        let mut ids: Vec<(i64, usize)> = ids.into_iter().zip(0..).collect();
        ids.sort_unstable();
        Self(ids)
    }

    /// First and last, where there is little between them that is not meant: rows of a page lie together.
    fn range(&self) -> Option<(i64, i64)> {
        let (first, last) = (self.0.first()?.0, self.0.last()?.0);
        let width = usize::try_from(last.checked_sub(first)?).ok()?;
        (width < SPARSE.saturating_mul(self.0.len())).then_some((first, last))
    }

    /// What a column must be to be meant, or little more: [`Ids::place`] decides. Its parameters are [`Ids::values`].
    pub(super) fn condition(&self, column: &str) -> String {
        if self.range().is_some() {
            format!("{column} BETWEEN ? AND ?")
        } else {
            format!("{column} IN (SELECT value FROM json_each(?))")
        }
    }

    pub(super) fn values(&self) -> Vec<Value> {
        if let Some((first, last)) = self.range() {
            return vec![first.into(), last.into()];
        }
        let list: Vec<i64> = self.0.iter().map(|(id, _)| *id).collect();
        vec![serde_json::Value::from(list).to_string().into()]
    }

    /// Where in the list a number stood.
    pub(super) fn place(&self, id: i64) -> Option<usize> {
        let at = self.0.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(self.0[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_rows_are_a_range_and_far_ones_a_list() {
        let close = Ids::of([7, 5, 9]);
        assert_eq!(close.condition("id"), "id BETWEEN ? AND ?");
        assert_eq!(close.values(), [Value::Integer(5), Value::Integer(9)]);
        assert_eq!(
            [7, 5, 9, 6].map(|id| close.place(id)),
            [Some(0), Some(1), Some(2), None]
        );

        let far = Ids::of([1_000_000, 5, i64::MIN]);
        assert!(far.condition("id").contains("json_each"));
        assert_eq!(
            far.values(),
            [Value::Text(format!("[{},5,1000000]", i64::MIN))]
        );
        assert_eq!(far.place(5), Some(1));

        assert_eq!(Ids::of([]).values(), [Value::Text("[]".into())]);
    }
}
