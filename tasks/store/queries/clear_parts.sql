DELETE FROM export_parts WHERE export_id = $export_id;
