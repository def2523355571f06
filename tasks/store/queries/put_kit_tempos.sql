UPDATE kits SET tempo = t.kit_tempo FROM kit_tempos AS t WHERE kits.id = t.kit_id;
