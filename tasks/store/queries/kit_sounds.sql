-- What is known of the sound of samples: the content of each, and its peak where it was converted with the recipe.
SELECT
    w.id,
    max_by(o.content_hash, o.export_id) AS content_hash,
    max_by(o.peak, o.export_id) FILTER (WHERE starts_with(o.settings_hash, $recipe)) AS peak
FROM wanted AS w
LEFT JOIN outputs AS o ON o.sample_id = w.id AND o.content_hash IS NOT NULL
GROUP BY w.id
ORDER BY w.id;
