DELETE FROM export_rejects WHERE export_id = $export_id;
