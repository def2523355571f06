DELETE FROM cards WHERE id = $card_id;
