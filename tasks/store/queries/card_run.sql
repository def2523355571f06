SELECT run FROM cards WHERE id = $card_id;
