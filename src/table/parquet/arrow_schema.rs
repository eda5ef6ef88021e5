//! What Arrow's readers are told of a table: the metadata of each column.
//!
//! They look for it in the file's metadata, under `ARROW:schema`: the message that begins an Arrow
//! stream (Arrow columnar format 1.5, `Message.fbs` and `Schema.fbs`, encapsulated message format),
//! in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flatbuffers::{FlatBufferBuilder, TableFinishedWIPOffset, WIPOffset};

use crate::table::cell::CellKind;
use crate::table::field::Field;

/// The key of the file's metadata.
pub(super) const KEY: &str = "ARROW:schema";

/// The key under which a column says what it is.
const COLUMN: &str = "abscope";

type Offset = WIPOffset<TableFinishedWIPOffset>;

/// Places of the fields of a table of `Message.fbs` and `Schema.fbs`: 4, and 2 more per field before.
mod place {
    pub(super) const MESSAGE_VERSION: u16 = 4;
    pub(super) const MESSAGE_HEADER_TYPE: u16 = 6;
    pub(super) const MESSAGE_HEADER: u16 = 8;
    pub(super) const SCHEMA_FIELDS: u16 = 6;
    pub(super) const FIELD_NAME: u16 = 4;
    pub(super) const FIELD_NULLABLE: u16 = 6;
    pub(super) const FIELD_TYPE_TYPE: u16 = 8;
    pub(super) const FIELD_TYPE: u16 = 10;
    pub(super) const FIELD_CHILDREN: u16 = 14;
    pub(super) const FIELD_CUSTOM_METADATA: u16 = 16;
    pub(super) const KEY_VALUE_KEY: u16 = 4;
    pub(super) const KEY_VALUE_VALUE: u16 = 6;
    pub(super) const INT_BIT_WIDTH: u16 = 4;
    pub(super) const INT_IS_SIGNED: u16 = 6;
    pub(super) const FLOATING_POINT_PRECISION: u16 = 4;
}

/// `MetadataVersion.V5`.
const VERSION_5: i16 = 4;
/// `MessageHeader.Schema`.
const HEADER_SCHEMA: u8 = 1;
/// `Precision.DOUBLE`.
const DOUBLE: i16 = 2;

/// The value of [`KEY`] for these columns.
pub(super) fn encoded(fields: &[Field]) -> String {
    let mut message = FlatBufferBuilder::new();
    let columns: Vec<Offset> = fields.iter().map(|field| column(&mut message, field)).collect();
    let columns = message.create_vector(&columns);
    let table = message.start_table();
    message.push_slot_always(place::SCHEMA_FIELDS, columns);
    let schema = message.end_table(table);
    let table = message.start_table();
    message.push_slot_always(place::MESSAGE_VERSION, VERSION_5);
    message.push_slot_always(place::MESSAGE_HEADER_TYPE, HEADER_SCHEMA);
    message.push_slot_always(place::MESSAGE_HEADER, schema);
    let root = message.end_table(table);
    message.finish(root, None);

    let mut body = message.finished_data().to_vec();
    body.resize(body.len().next_multiple_of(8), 0);
    let length = u32::try_from(body.len()).expect("columns fit a Parquet file's metadata");
    let mut bytes = vec![0xff; 4];
    bytes.extend(length.to_le_bytes());
    bytes.extend(body);
    STANDARD.encode(bytes)
}

fn column(message: &mut FlatBufferBuilder<'_>, field: &Field) -> Offset {
    let name = message.create_string(&field.name);
    let (kind, definition) = type_of(message, field.kind);
    let children = message.create_vector::<Offset>(&[]);
    let metadata = field.about.as_ref().map(|about| {
        let key = message.create_string(COLUMN);
        let value = message.create_string(&about.to_string());
        let table = message.start_table();
        message.push_slot_always(place::KEY_VALUE_KEY, key);
        message.push_slot_always(place::KEY_VALUE_VALUE, value);
        let pair = message.end_table(table);
        message.create_vector(&[pair])
    });
    let table = message.start_table();
    message.push_slot_always(place::FIELD_NAME, name);
    message.push_slot_always(place::FIELD_NULLABLE, true);
    message.push_slot_always(place::FIELD_TYPE_TYPE, kind);
    message.push_slot_always(place::FIELD_TYPE, definition);
    message.push_slot_always(place::FIELD_CHILDREN, children);
    if let Some(metadata) = metadata {
        message.push_slot_always(place::FIELD_CUSTOM_METADATA, metadata);
    }
    message.end_table(table)
}

/// The member of the union `Type`, and its table.
fn type_of(message: &mut FlatBufferBuilder<'_>, kind: CellKind) -> (u8, Offset) {
    let table = message.start_table();
    let member = match kind {
        CellKind::Count => {
            message.push_slot_always(place::INT_BIT_WIDTH, 64_i32);
            message.push_slot_always(place::INT_IS_SIGNED, true);
            2
        }
        CellKind::Number => {
            message.push_slot_always(place::FLOATING_POINT_PRECISION, DOUBLE);
            3
        }
        CellKind::Text => 5,
        CellKind::Truth => 6,
    };
    (member, message.end_table(table))
}
