SELECT nextval('export_ids');
