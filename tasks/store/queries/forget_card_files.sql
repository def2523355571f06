DELETE FROM card_files WHERE card_id = $card_id AND path IN (SELECT path FROM gone);
