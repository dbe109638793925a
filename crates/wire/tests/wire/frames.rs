//! Definitions and frames of any shape.

use catalog::{Column, Definition, Kind, Scope, Type, Unit};
use proptest::prelude::*;
use wire::{Frame, FrameColumn};

pub(crate) const TYPES: [Type; 9] = [
    Type::Bool,
    Type::Int4,
    Type::Int8,
    Type::Float8,
    Type::Text,
    Type::Timestamptz,
    Type::Oid,
    Type::Lsn,
    Type::Duration,
];

/// A value of any type.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

pub(crate) fn definition(types: &[Type]) -> Definition {
    let column = |(nth, column_type): (usize, &Type)| Column {
        name: format!("c{nth}"),
        column_type: *column_type,
        kind: Kind::Gauge,
        unit: Unit::None,
        help: "A column.".into(),
        requires_setting: None,
        role: None,
        since: None,
        needs_grant: false,
        statement: false,
        extreme: None,
    };
    let columns = types.iter().enumerate().map(column).collect();
    Definition::new("set".into(), Scope::Instance, "A set.".into(), columns)
}

pub(crate) fn column(column_type: Type, values: &[Value]) -> FrameColumn {
    let mut column = FrameColumn::new(column_type);
    for value in values {
        match value {
            Value::Null => column.push_null(),
            Value::Bool(value) => column.push_bool(*value),
            Value::Int(value) => column.push_int(*value),
            Value::Float(value) => column.push_float(*value),
            Value::Text(value) => column.push_text(value),
        }
    }
    column
}

fn int(column_type: Type) -> BoxedStrategy<i64> {
    let small = prop_oneof![3 => Just(0), 3 => -3..100_i64, 1 => any::<i32>().prop_map(i64::from)];
    match column_type {
        Type::Int4 => small.boxed(),
        _ => prop_oneof![4 => small, 2 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)].boxed(),
    }
}

fn value(column_type: Type) -> BoxedStrategy<Value> {
    match column_type {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::Float8 => prop_oneof![
            2 => Just(0.0),
            1 => Just(-0.0),
            2 => any::<f32>().prop_map(f64::from),
            2 => proptest::num::f64::ANY,
        ]
        .prop_map(|value| if value.is_finite() { Value::Float(value) } else { Value::Null })
        .boxed(),
        Type::Text => {
            prop_oneof!["[ab]", "\\PC{0,12}", any::<String>(), Just(String::new())].prop_map(Value::Text).boxed()
        }
        _ => int(column_type).prop_map(Value::Int).boxed(),
    }
}

/// A column's values: without NULL, with some, or nothing else.
fn values(column_type: Type, rows: usize) -> impl Strategy<Value = Vec<Value>> {
    let exactly = |value: BoxedStrategy<Value>| proptest::collection::vec(value, rows);
    prop_oneof![
        3 => exactly(value(column_type)),
        3 => exactly(prop_oneof![value(column_type), Just(Value::Null)].boxed()),
        1 => exactly(Just(Value::Null).boxed()),
    ]
}

/// A definition and a frame of it; some columns were not read.
pub(crate) fn frame() -> impl Strategy<Value = (Definition, Frame)> {
    let types = proptest::collection::vec(proptest::sample::select(TYPES.to_vec()), 0..8);
    (types, 0..150_usize).prop_flat_map(|(types, rows)| {
        let columns: Vec<_> = types
            .iter()
            .map(|column_type| {
                let column_type = *column_type;
                let read = values(column_type, rows).prop_map(move |values| column(column_type, &values));
                proptest::option::weighted(0.9, read)
            })
            .collect();
        columns.prop_map(move |columns| (definition(&types), Frame { rows, columns }))
    })
}
