<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<!-- The spread of samples in grey levels of 255, in the colours of viridis; what is more than 64 is drawn as 64. -->
<qgis version="3.22.0" styleCategories="Symbology">
  <pipe>
    <rasterrenderer type="singlebandpseudocolor" band="1" alphaBand="2" opacity="1" classificationMin="0" classificationMax="64">
      <minMaxOrigin>
        <limits>None</limits>
        <extent>WholeRaster</extent>
        <statAccuracy>Estimated</statAccuracy>
      </minMaxOrigin>
      <rastershader>
        <colorrampshader colorRampType="INTERPOLATED" classificationMode="1" minimumValue="0" maximumValue="64" clip="0">
          <item value="0" label="0" color="#440154" alpha="255"/>
          <item value="8" label="8" color="#472d7b" alpha="255"/>
          <item value="16" label="16" color="#3b528b" alpha="255"/>
          <item value="24" label="24" color="#2c728e" alpha="255"/>
          <item value="32" label="32" color="#21918c" alpha="255"/>
          <item value="40" label="40" color="#28ae80" alpha="255"/>
          <item value="48" label="48" color="#5ec962" alpha="255"/>
          <item value="56" label="56" color="#addc30" alpha="255"/>
          <item value="64" label="64 or more" color="#fde725" alpha="255"/>
          <rampLegendSettings useContinuousLegend="1" orientation="2" direction="0" prefix="" suffix="" minimumLabel="0 grey levels" maximumLabel="64 grey levels or more"/>
        </colorrampshader>
      </rastershader>
    </rasterrenderer>
  </pipe>
</qgis>
