-- What was measured of the file of a sample that was written last and still stands; levels in dB of full scale.
SELECT
    export_id,
    CASE WHEN peak > 0 THEN 20 * log10(peak) END AS peak_dbfs,
    CASE WHEN true_peak > 0 THEN 20 * log10(true_peak) END AS true_peak_dbfs,
    overs AS clipped_samples,
    CASE WHEN rms > 0 THEN 20 * log10(rms) END AS rms_dbfs,
    dc AS dc_offset,
    leading_silence_ms,
    sound_changes,
    warning,
    source_hash = output_hash AS unaltered
FROM outputs
WHERE sample_id = $id AND status IN ('exported', 'unchanged')
ORDER BY export_id DESC, path
LIMIT 1;
