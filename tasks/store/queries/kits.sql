SELECT name, id FROM kits;
