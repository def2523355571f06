-- Reads every value: a damaged block does not get by.
SELECT bit_xor(hash(t)) FROM schema_version AS t
UNION ALL SELECT bit_xor(hash(t)) FROM users AS t
UNION ALL SELECT bit_xor(hash(t)) FROM user_preferences AS t
UNION ALL SELECT bit_xor(hash(t)) FROM samples AS t
UNION ALL SELECT bit_xor(hash(t)) FROM given_ids AS t
UNION ALL SELECT bit_xor(hash(t)) FROM kits AS t
UNION ALL SELECT bit_xor(hash(t)) FROM kit_samples AS t
UNION ALL SELECT bit_xor(hash(t)) FROM sp404_exports AS t
UNION ALL SELECT bit_xor(hash(t)) FROM sp404_export_samples AS t
UNION ALL SELECT bit_xor(hash(t)) FROM export_rejects AS t
UNION ALL SELECT bit_xor(hash(t)) FROM export_parts AS t
UNION ALL SELECT bit_xor(hash(t)) FROM outputs AS t
UNION ALL SELECT bit_xor(hash(t)) FROM last_status AS t
UNION ALL SELECT bit_xor(hash(t)) FROM cards AS t
UNION ALL SELECT bit_xor(hash(t)) FROM card_files AS t
UNION ALL SELECT bit_xor(hash(t)) FROM output_folders AS t
UNION ALL SELECT bit_xor(hash(t)) FROM scanned_files AS t
UNION ALL SELECT bit_xor(hash(t)) FROM scanned_rows AS t
UNION ALL SELECT bit_xor(hash(t)) FROM scanned_roots AS t;
