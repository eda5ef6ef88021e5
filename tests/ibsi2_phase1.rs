//! IBSI 2, phase 1: every reference response map of the digital phantoms.
//!
//! Oracle: the initiative's validated response maps (doi:10.5281/zenodo.7323865). A map is reproduced
//! where no voxel differs by more than 1 % of the reference map's range.

mod common;

use abscope::selftest::RESPONSE_MAPS;

fn reproduced(id: &str) {
    let map = RESPONSE_MAPS.iter().find(|map| map.id() == id).expect("a map of this id");
    let found = map.compare(&common::fixture("ibsi")).expect("the fixtures are there");
    assert!(found.passed, "{id}: {:.3} % of the range", 100.0 * found.largest_difference);
}

/// A test per map, and one that none was forgotten.
macro_rules! maps {
    ($($name:ident $id:literal),+ $(,)?) => {
        $(#[test]
        fn $name() {
            reproduced($id);
        })+

        #[test]
        fn every_reference_map_has_a_test() {
            let ids: Vec<_> = RESPONSE_MAPS.iter().map(|map| map.id()).collect();
            assert_eq!(ids, [$($id),+]);
            let folder = common::fixture("ibsi/ibsi_2_response_maps");
            let files = std::fs::read_dir(folder).expect("the fixtures are there").count();
            assert_eq!(files, ids.len());
        }
    };
}

maps! {
    map_1_a_1 "1.a.1", map_1_a_2 "1.a.2", map_1_a_3 "1.a.3", map_1_a_4 "1.a.4", map_1_b_1 "1.b.1",
    map_2_a "2.a", map_2_b "2.b", map_2_c "2.c",
    map_3_a_1 "3.a.1", map_3_a_2 "3.a.2", map_3_a_3 "3.a.3", map_3_b_1 "3.b.1", map_3_b_2 "3.b.2",
    map_3_b_3 "3.b.3", map_3_c_1 "3.c.1", map_3_c_2 "3.c.2", map_3_c_3 "3.c.3",
    map_4_a_1 "4.a.1", map_4_a_2 "4.a.2", map_4_b_1 "4.b.1", map_4_b_2 "4.b.2",
    map_5_a_1 "5.a.1", map_5_a_2 "5.a.2",
    map_6_a_1 "6.a.1", map_6_a_2 "6.a.2",
    map_7_a_1 "7.a.1", map_7_a_2 "7.a.2",
    map_8_a_1 "8.a.1", map_8_a_2 "8.a.2", map_8_a_3 "8.a.3",
    map_9_a "9.a", map_9_b_1 "9.b.1",
    map_10_b_1 "10.b.1",
}
