//! What a row limit leaves out: rows that did not move, and those beyond the limit, summed into
//! "others" so that totals stay exact. Applied after increments are formed, never to the reading.

use std::collections::BTreeMap;

use catalog::{Column, Kind, Limit, Set, Type};
use wire::{Cut, Frame, FrameColumn, Values};

use crate::baseline::{Key, key_of};

/// Leaves out rows of which no counter moved; where there is none, every row says something.
#[must_use]
pub fn moved_only(set: &Set, rows: Frame) -> Frame {
    if set.definition.columns.iter().all(|meta| meta.kind != Kind::Counter) {
        return rows;
    }
    let mut moved = vec![false; rows.rows];
    for (meta, column) in set.definition.columns.iter().zip(&rows.columns) {
        let Some(column) = column.as_ref().filter(|_| meta.kind == Kind::Counter) else { continue };
        match &column.values {
            Values::Int(values) => moved.iter_mut().zip(values).for_each(|(moved, value)| *moved |= *value != 0),
            Values::Float(values) => moved.iter_mut().zip(values).for_each(|(moved, value)| *moved |= *value != 0.0),
            Values::Bool(_) | Values::Text(_) => {}
        }
        if moved.iter().all(|moved| *moved) {
            return rows;
        }
    }
    let kept: Vec<usize> = moved.iter().enumerate().filter(|(_, moved)| **moved).map(|(row, _)| row).collect();
    rows.select(&kept)
}

/// Keeps the `most` largest rows for each value of the limit's label and sums the others.
///
/// The sum's row keeps that label, those that the limit names, and all boolean labels (statements sent by
/// clients and nested ones are never added up); its other labels are 0 or empty. Gauges of a sum are NULL.
#[must_use]
pub fn cut(set: &Set, limit: &Limit, rows: Frame, most: usize) -> (Frame, Vec<Cut>) {
    let place = |name: &str| set.definition.column(name).map(|(place, _)| place);
    let (Some(per), Some(order), Some(id)) = (place(&limit.per), place(&limit.order), place(&limit.id)) else {
        return (rows, Vec::new());
    };
    let value = |place: usize, row: usize| rows.column(place).and_then(|column| column.int(row)).unwrap_or(0);
    let mut groups: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for row in 0..rows.rows {
        groups.entry(value(per, row)).or_default().push(row);
    }
    if groups.values().all(|group| group.len() <= most) {
        return (rows, Vec::new());
    }
    let mut kept = empty_like(set, &rows);
    let mut cuts = Vec::new();
    for (label, mut group) in groups {
        if group.len() > most {
            group.sort_by_key(|row| (std::cmp::Reverse(value(order, *row)), value(id, *row)));
            let others = group.split_off(most);
            let mut ids: Vec<i64> = others.iter().map(|row| value(id, *row)).collect();
            ids.sort_unstable();
            ids.dedup();
            cuts.push(Cut { per: label, rows: u32::try_from(others.len()).unwrap_or(u32::MAX), ids });
            push_sums(set, limit, &rows, &others, &mut kept);
        }
        group.sort_unstable();
        group.iter().for_each(|row| kept.push_row(&rows, *row));
    }
    (kept, cuts)
}

/// Appends one row per combination of the labels that sums keep, each the sum of its rows.
fn push_sums(set: &Set, limit: &Limit, rows: &Frame, others: &[usize], kept: &mut Frame) {
    let columns = &set.definition.columns;
    let keeps = |meta: &Column| {
        meta.kind == Kind::Label
            && (meta.name == limit.per || meta.column_type == Type::Bool || limit.keeps.contains(&meta.name))
    };
    let labels = columns.iter().zip(&rows.columns).map(|(meta, column)| column.clone().filter(|_| keeps(meta)));
    let labels = Frame { rows: rows.rows, columns: labels.collect() };
    let mut groups: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for row in others {
        groups.entry(key_of(&set.definition, &labels, *row)).or_default().push(*row);
    }
    for group in groups.values() {
        for (place, meta) in columns.iter().enumerate() {
            let (Some(target), Some(source)) = (kept.columns[place].as_mut(), rows.column(place)) else { continue };
            match meta.kind {
                Kind::Label if keeps(meta) => target.push_from(source, group[0]),
                Kind::Label if meta.column_type == Type::Text => target.push_text(""),
                Kind::Label => target.push_int(0),
                Kind::Counter | Kind::Count => push_sum(target, source, group),
                _ => target.push_null(),
            }
        }
        kept.rows += 1;
    }
}

fn push_sum(target: &mut FrameColumn, source: &FrameColumn, group: &[usize]) {
    let known = group.iter().filter(|row| !source.is_null(**row));
    if known.clone().next().is_none() {
        return target.push_null();
    }
    match &source.values {
        Values::Int(values) => target.push_int(known.fold(0_i64, |sum, row| sum.saturating_add(values[*row]))),
        Values::Float(values) => target.push_float(known.map(|row| values[*row]).sum()),
        Values::Bool(_) | Values::Text(_) => target.push_null(),
    }
}

fn empty_like(set: &Set, rows: &Frame) -> Frame {
    let columns = set
        .definition
        .columns
        .iter()
        .zip(&rows.columns)
        .map(|(meta, column)| column.as_ref().map(|_| FrameColumn::new(meta.column_type)))
        .collect();
    Frame { rows: 0, columns }
}
