SELECT count(nextval('export_ids')) FROM range($taken);
